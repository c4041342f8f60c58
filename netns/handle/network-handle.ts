import { closeSync, openSync } from 'node:fs'
import { EventEmitter } from 'eventemitter3'
import type { Grant } from '../firewall/network-ruleset.ts'
import { NetnsError } from '../kernel/index.ts'
import type { Granted, Network, NetworkEvents } from '../network.ts'
import { bindBatchedUdp } from '../sockets/batched-udp.ts'
import { forwardFromHost } from '../sockets/forward.ts'
import { Forwards } from '../sockets/open-forwards.ts'
import { bindUdp, connectTcp, listenTcp } from '../sockets/sockets.ts'
import type { MadeSandbox } from '../topology/sandbox-port.ts'
import type { MadeNetwork, NetworkProblem } from '../worker/kernel-network.ts'
import { foreignNamespace } from './foreign-namespace.ts'
import { createPool } from './object-pool.ts'
import { type SandboxParts, sandboxOf } from './sandbox.ts'
import type { WorkerThread } from './worker-thread.ts'

interface Parts {
  name: string
  made: MadeNetwork
  worker: WorkerThread
  network: number
  poolSize: number
}

/** A network that the worker has made or opened, held until it is destroyed or given up. */
export function networkOf({ name, made, worker, network, poolSize }: Parts): Network {
  const { namespace: fd } = made
  let removal: Promise<void> | undefined
  let inUse = 0
  /** The network's own, and those of its sandboxes. */
  const forwards = new Forwards()
  const allForwards = new Set([forwards])
  const gone = new NetnsError('NETWORK_GONE', `the network ${name} was destroyed`)
  const requireLife = () => {
    if (removal !== undefined) throw gone
  }

  const pool = createPool({ size: poolSize, make: () => worker.call('createSandbox', { network }) })

  const events = new EventEmitter<NetworkEvents>()
  let problems: readonly NetworkProblem[] = []
  const stopListening = worker.listen(network, (event) => {
    if (event.type === 'problems') {
      problems = event.problems
      events.emit('problems', problems)
    } else events.emit('firewall-restored', { where: event.where, by: event.by })
  })

  const end = async (how: 'destroyNetwork' | 'giveUpNetwork') => {
    try {
      await Promise.all([...allForwards].map((some) => some.close()))
      await pool.close(gone)
      await worker.call(how, { network })
    } finally {
      stopListening()
      await worker.release()
    }
  }
  const destroy = () => {
    removal ??= end('destroyNetwork')
    return removal
  }

  const destroyBox = batched((addresses: string[]) => worker.call('destroySandboxes', { network, addresses }))

  const berth = (made: MadeSandbox, namespace: string, enter: SandboxParts['enter']) => {
    inUse += 1
    const own = new Forwards()
    allForwards.add(own)
    const remove = async () => {
      inUse -= 1
      allForwards.delete(own)
      // With the network all its sandboxes go.
      if (removal === undefined) await destroyBox(made.address)
      else await removal
    }
    return sandboxOf({ made, namespace, enter, forwards: own, remove })
  }

  pool.fill()
  return {
    name,
    subnet: made.subnet,
    gateway: made.gateway,
    subnet6: made.subnet6,
    gateway6: made.gateway6,
    mtu: made.mtu,
    isolation: made.isolation,
    namespace: made.path,
    hostRoute: made.hostRoute,
    get problems() {
      return problems
    },
    on: (event, listener) => void events.on(event, listener as never),
    off: (event, listener) => void events.off(event, listener as never),
    get sandboxes() {
      return inUse
    },
    get pooled() {
      return pool.ready
    },
    async createSandbox({ signal } = {}) {
      const made = await pool.take(signal)
      return {
        ...berth(made, `/proc/${process.pid}/fd/${made.fd}`, (use) => use(made.fd)),
        fd: made.fd,
      }
    },
    async adopt(of) {
      requireLife()
      const { path, enter } = foreignNamespace(of)
      // A copy of the descriptor, which the worker uses on a later turn.
      const namespace = enter((opened) => openSync(`/proc/self/fd/${opened}`, 'r'))
      let made: MadeSandbox
      try {
        made = await worker.call('adoptSandbox', { network, namespace })
      } finally {
        closeSync(namespace)
      }
      const sandbox = berth(made, path, enter)
      const ended = worker.call('adoptionEnded', { network, address: made.address }).then(
        () => sandbox.destroy(),
        // With the worker lost there is nothing left to be told of.
        () => undefined,
      )
      return { ...sandbox, ended }
    },
    async grant(client, service) {
      requireLife()
      await worker.call('grant', { network, grants: pairsOf(client, service) })
    },
    async revoke(client, service) {
      if (removal === undefined) await worker.call('revoke', { network, grants: pairsOf(client, service) })
    },
    bindUdp(address, port) {
      requireLife()
      return bindUdp(fd, address, port)
    },
    bindBatchedUdp(address, port) {
      requireLife()
      return bindBatchedUdp(address, port, { namespace: fd })
    },
    async listenTcp(address, port) {
      requireLife()
      return listenTcp(fd, address, port)
    },
    async connectTcp(address, port, options) {
      requireLife()
      return connectTcp(fd, address, port, options)
    },
    async forward(options) {
      requireLife()
      return forwards.hold(forwardFromHost(fd, options), gone)
    },
    giveUp() {
      removal ??= end('giveUpNetwork')
      return removal
    },
    destroy,
    [Symbol.asyncDispose]: destroy,
  }
}

function pairsOf(client: Granted, service: Granted): Grant[] {
  const grants: Grant[] = [[client.address, service.address]]
  if (client.address6 !== undefined && service.address6 !== undefined) {
    grants.push([client.address6, service.address6])
  }
  return grants
}

/** Collects what is asked for in one turn, so that the kernel does it together. */
function batched<T>(run: (items: T[]) => Promise<void>): (item: T) => Promise<void> {
  let batch: { items: T[]; done: Promise<void> } | undefined
  return (item) => {
    if (batch === undefined) {
      const items: T[] = []
      const done = Promise.resolve().then(() => {
        batch = undefined
        return run(items)
      })
      batch = { items, done }
    }
    batch.items.push(item)
    return batch.done
  }
}

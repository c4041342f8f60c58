import { closeSync, openSync } from 'node:fs'
import { EventEmitter } from 'eventemitter3'
import type { Grant } from '../firewall/network-ruleset.ts'
import { NetnsError } from '../kernel/index.ts'
import type { Granted, Network, NetworkEvents } from '../network.ts'
import { bindBatchedUdp } from '../sockets/batched-udp.ts'
import { forwardFromHost } from '../sockets/forward.ts'
import { OpenForwards } from '../sockets/open-forwards.ts'
import { reserveFromHost } from '../sockets/reserve.ts'
import { bindUdp, connectTcp, listenTcp } from '../sockets/sockets.ts'
import type { SandboxFacts } from '../topology/sandbox-port.ts'
import type { NetworkFacts } from '../worker/network-parts.ts'
import type { NetworkProblem } from '../worker/problems.ts'
import { foreignNamespace } from './foreign-namespace.ts'
import { createObjectPool } from './object-pool.ts'
import { type SandboxParts, sandboxHandle } from './sandbox.ts'
import type { WorkerThread } from './worker-thread.ts'

export interface NetworkHandleParts {
  name: string
  facts: NetworkFacts
  worker: WorkerThread
  /** The worker's number for it. */
  network: number
  poolSize: number
}

/** Holds a network that the worker has made or opened, until it is destroyed or given up. */
export function networkHandle({ name, facts, worker, network, poolSize }: NetworkHandleParts): Network {
  const { namespace: fd } = facts
  let removal: Promise<void> | undefined
  let inUse = 0
  /** The network's own forwards, and those of its sandboxes. */
  const forwards = new OpenForwards()
  const allForwards = new Set([forwards])
  const gone = new NetnsError('NETWORK_GONE', `the network ${name} was destroyed`)
  const requireLife = () => {
    if (removal !== undefined) throw gone
  }

  const pool = createObjectPool({ size: poolSize, make: () => worker.call('createSandbox', { network }) })

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
      await Promise.all([...allForwards].map((open) => open.close()))
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

  const destroySandbox = batched((addresses: string[]) =>
    worker.call('destroySandboxes', { network, addresses }),
  )

  const holdSandbox = (sandbox: SandboxFacts, namespace: string, enter: SandboxParts['enter']) => {
    inUse += 1
    const own = new OpenForwards()
    allForwards.add(own)
    const remove = async () => {
      inUse -= 1
      allForwards.delete(own)
      // All sandboxes go with the network.
      if (removal === undefined) await destroySandbox(sandbox.address)
      else await removal
    }
    return sandboxHandle({ facts: sandbox, namespace, enter, forwards: own, remove })
  }

  pool.fill()
  return {
    name,
    subnet: facts.subnet,
    gateway: facts.gateway,
    subnet6: facts.subnet6,
    gateway6: facts.gateway6,
    mtu: facts.mtu,
    isolation: facts.isolation,
    namespace: facts.path,
    hostRoute: facts.hostRoute,
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
      const sandbox = await pool.take(signal)
      const { fd: own } = sandbox
      return { ...holdSandbox(sandbox, `/proc/${process.pid}/fd/${own}`, (use) => use(own)), fd: own }
    },
    async adopt(adopted) {
      requireLife()
      const { path, enter } = foreignNamespace(adopted)
      // A copy of the descriptor, which the worker uses on a later turn.
      const namespace = enter((opened) => openSync(`/proc/self/fd/${opened}`, 'r'))
      let facts: SandboxFacts
      try {
        facts = await worker.call('adoptSandbox', { network, namespace })
      } finally {
        closeSync(namespace)
      }
      const sandbox = holdSandbox(facts, path, enter)
      const ended = worker.call('adoptionEnded', { network, address: facts.address }).then(
        () => sandbox.destroy(),
        // The worker was lost: nothing is left that could end.
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
    async reserve(options) {
      requireLife()
      return forwards.hold(reserveFromHost(fd, options), gone)
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

/** Collects the items of one turn, so that the kernel handles them together. */
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

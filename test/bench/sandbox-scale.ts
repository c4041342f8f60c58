/** A network with thousands of sandboxes: what one more costs, beside the same objects by bare system calls. */
import { closeSync, openSync, readFileSync } from 'node:fs'
import type { Network, Sandbox } from '../../netns/index.ts'
import { createNamespace, inNamespace, NetlinkSocket, rtnetlink } from '../../netns/kernel/index.ts'
import { NamespaceSettings } from '../../netns/topology/namespace-settings.ts'
import type { Contender } from './frame.ts'

/** Bytes of the host's memory that could be had. */
export function memoryAvailable(): number {
  const found = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))
  return Number(found?.[1]) * 1024
}

/** Makes so many, a hundred at a time. */
export async function populate(network: Network, count: number): Promise<Sandbox[]> {
  const boxes: Sandbox[] = []
  while (boxes.length < count) {
    const some = Math.min(100, count - boxes.length)
    boxes.push(...(await Promise.all(Array.from({ length: some }, () => network.createSandbox()))))
  }
  return boxes
}

/** One more of ours. */
export function oneMore(network: Network): Contender {
  return {
    name: 'moorage',
    async run() {
      const begin = performance.now()
      const box = await network.createSandbox()
      const made = performance.now()
      await box.destroy()
      const end = performance.now()
      return { create: made - begin, destroy: end - made, 'create and destroy': end - begin }
    },
  }
}

/**
 * The same objects in the same network: namespace, settings, link on a bridge's port, addresses, routes, neighbours;
 * and nothing else, neither firewall nor bookkeeping, in one thread.
 */
export function bare(network: Network): Contender & Disposable {
  const namespace = openSync(network.namespace, 'r')
  const socket = inNamespace(namespace, () => new NetlinkSocket())
  const bridges = rtnetlink.listLinks(socket).filter(({ name }) => name.startsWith('br'))
  // The last has room.
  const bridge = Math.max(...bridges.map(({ index }) => index))
  const gateway = Buffer.from(network.gateway.split('.').map(Number))
  const gatewayMac = Buffer.concat([Buffer.of(2, 0x6d), gateway])
  const settings = new NamespaceSettings()
  let count = 1_000_000
  return {
    name: 'bare system calls',
    async run() {
      const index = count++
      const address = Buffer.from(gateway)
      address[2] = 255
      address[3] = index & 0xff
      const mac = Buffer.concat([Buffer.of(2, 0x6d), address])
      const own = { address, length: 32 }
      const begin = performance.now()
      const { fd, value: inner } = createNamespace(() => {
        settings.write({ 'ipv4/ping_group_range': '0 2147483647', 'ipv4/ip_unprivileged_port_start': '0' })
        return new NetlinkSocket()
      })
      const peer = { index: 1000, name: 'eth0', mac, namespace: fd }
      socket.apply([
        rtnetlink.addVeth({ index, name: `x${index}`, mtu: network.mtu, master: bridge, peer }),
        rtnetlink.quietPort(index),
        rtnetlink.addForwarding(index, mac),
        ...rtnetlink.bringUp(index, `x${index}`),
        rtnetlink.addRoute({ to: own, index: bridge, source: gateway }),
        rtnetlink.addNeighbour(bridge, address, mac),
      ])
      inner.apply([
        rtnetlink.bringLoopbackUp(),
        ...rtnetlink.bringUp(1000, 'eth0'),
        rtnetlink.addAddress(1000, address),
        rtnetlink.addRoute({ to: { address: gateway, length: 32 }, index: 1000 }),
        rtnetlink.addRoute({ index: 1000, via: gateway }),
        rtnetlink.addNeighbour(1000, gateway, gatewayMac),
      ])
      inner.close()
      const made = performance.now()
      socket.apply([
        rtnetlink.removeRoute({ to: own, index: bridge }),
        rtnetlink.removeNeighbour(bridge, address),
      ])
      closeSync(fd)
      const end = performance.now()
      return { create: made - begin, destroy: end - made, 'create and destroy': end - begin }
    },
    [Symbol.dispose]() {
      settings[Symbol.dispose]()
      socket.close()
      closeSync(namespace)
    },
  }
}

/**
 * The same with the processor time of all of the process's threads besides: on a machine with other work, what is handed
 * from thread to thread waits for a processor each time, which a contender of one thread does not.
 */
export function withCpu(contender: Contender): Contender {
  return {
    ...contender,
    async run(turn) {
      const begin = process.cpuUsage()
      const times = await contender.run(turn)
      const { user, system } = process.cpuUsage(begin)
      return { ...times, 'processor time': (user + system) / 1000 }
    },
  }
}

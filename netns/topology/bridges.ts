/** The bridges of a network. One has at most 1,023 ports; a larger network has several, which are only a route more. */
import { addressBytes, gatewayOf, macBytes, type Subnet } from '../addressing/addresses.ts'
import { address6Of, type Subnet6 } from '../addressing/addresses6.ts'
import { bridgePrefix } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import { type NetlinkSocket, NetnsError, type Request, rtnetlink } from '../kernel/index.ts'
import { removeLinksTogether } from './link-groups.ts'

/** The kernel's limit (BR_MAX_PORTS). */
export const mostPorts = 1023
const mostBridges = 64
/** Above the indexes that the kernel gives by itself. */
const firstIndex = 8
/** Above the indexes of all bridges. */
export const firstPortIndex = firstIndex + mostBridges

interface Bridge {
  index: number
  ports: number
  /**
   * The kernel refused another port, though there should be room: it has not reaped the ports of dead sandboxes yet.
   */
  full: boolean
}

interface BridgesRequest {
  subnet: Subnet
  mtu: number
  portsPerBridge: number
}

/** Makes the first bridge, with the gateway's addresses. It goes with the network's namespace. */
export function makeBridges(
  socket: NetlinkSocket,
  request: BridgesRequest & { subnet6: Subnet6 | undefined },
): Bridges {
  const { subnet, subnet6, mtu } = request
  const gateway = gatewayOf(subnet)
  const addresses = [addressBytes(gateway), ...(subnet6 ? [address6Of(subnet6, subnet, gateway)] : [])]
  socket.apply([
    rtnetlink.bringLoopbackUp(),
    ...bridgeRequests(0, subnet, mtu),
    ...addresses.map((address) => rtnetlink.addAddress(firstIndex, address)),
  ])
  return new Bridges(socket, request)
}

export interface EmptiedBridges {
  /** An index above all that the last holder's links had. */
  firstPort: number
  /** The addresses that the last holder's sandboxes had. */
  addresses: number[]
}

/** Removes all that the last holder's sandboxes had here, and all bridges but the first. */
export function emptyBridges(socket: NetlinkSocket): EmptiedBridges {
  const links = rtnetlink.listLinks(socket)
  const bridges = links.filter(({ name }) => name.startsWith(bridgePrefix))
  const ports = links.filter(({ master }) => master !== undefined)
  const routes = rtnetlink
    .listRoutes(socket)
    .filter(({ index, length }) => length === 32 && bridges.some((bridge) => bridge.index === index))
  removeLinksTogether(
    socket,
    [...ports, ...bridges.slice(1)].map(({ index }) => index),
  )
  for (const family of ['ipv4', 'ipv6'] as const) {
    const left = rtnetlink
      .listRoutes(socket, family)
      .filter(({ index, address, length }) => index === bridges[0]?.index && length === address.length * 8)
    socket.apply(
      left.flatMap(({ address, length, index }) => [
        rtnetlink.removeRoute({ to: { address, length }, index: index as number }),
        rtnetlink.removeNeighbour(index as number, address),
      ]),
      // The route of the gateway's own address is in another table.
      ['ESRCH', 'ENOENT'],
    )
  }
  return {
    firstPort: Math.max(firstPortIndex, ...links.map(({ index }) => index + 1)),
    addresses: routes.map(({ address }) => Buffer.from(address).readUInt32BE(0)),
  }
}

/** Knows which bridge has room, and makes another when none has. */
export class Bridges {
  readonly #socket: NetlinkSocket
  readonly #mtu: number
  readonly #subnet: Subnet
  readonly #portsPerBridge: number
  readonly #bridges: Bridge[]

  /** The first bridge is there already. */
  constructor(socket: NetlinkSocket, { mtu, subnet, portsPerBridge }: BridgesRequest) {
    this.#socket = socket
    this.#mtu = mtu
    this.#subnet = subnet
    this.#portsPerBridge = portsPerBridge
    this.#bridges = [{ index: firstIndex, ports: 0, full: false }]
  }

  /**
   * Makes a port on a bridge that has room for it.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`, or what `makePort` throws
   */
  addPort<T>(makePort: (bridge: number) => T): T {
    for (;;) {
      const bridge =
        this.#bridges.find(({ ports, full }) => !full && ports < this.#portsPerBridge) ?? this.#addBridge()
      try {
        const port = makePort(bridge.index)
        bridge.ports += 1
        return port
      } catch (error) {
        if (!(error instanceof NetnsError && error.errno === 'EXFULL') || bridge.full) throw error
        bridge.full = true
      }
    }
  }

  /** Forgets a port that was removed from a bridge. */
  removePort(index: number): void {
    const bridge = this.#bridges.find((candidate) => candidate.index === index)
    if (bridge === undefined) return
    bridge.ports -= 1
    bridge.full = false
  }

  #addBridge(): Bridge {
    const number = this.#bridges.length
    if (number === mostBridges) {
      throw new NetnsError(
        'ADDRESSES_EXHAUSTED',
        `a network has at most ${mostBridges * this.#portsPerBridge} sandboxes; make another network`,
      )
    }
    this.#socket.apply(bridgeRequests(number, this.#subnet, this.#mtu))
    faultPoint('next-bridge-made')
    const bridge = { index: firstIndex + number, ports: 0, full: false }
    this.#bridges.push(bridge)
    return bridge
  }
}

/** All bridges have the gateway's MAC: each sandbox knows one gateway, and meets it on its own bridge. */
function bridgeRequests(number: number, subnet: Subnet, mtu: number): Request[] {
  const [index, name] = [firstIndex + number, `${bridgePrefix}${number}`]
  return [
    rtnetlink.addBridge({ index, name, mac: macBytes(gatewayOf(subnet)), mtu }),
    ...rtnetlink.bringUp(index, name),
  ]
}

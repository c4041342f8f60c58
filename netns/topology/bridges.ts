/** The bridges of a network. One has at most 1,023 ports; a larger network has several, which are only a route more. */
import { addressBytes, gatewayOf, macBytes, type Subnet } from '../addressing/addresses.ts'
import { address6Of, type Subnet6 } from '../addressing/addresses6.ts'
import { bridgePrefix } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import { type NetlinkSocket, NetnsError, type Request, rtnetlink } from '../kernel/index.ts'

/** What the kernel allows (BR_MAX_PORTS). */
export const mostPorts = 1023
const mostBridges = 64
/** Above those that the kernel gives by itself. */
const firstIndex = 8
/** Above those of all bridges. */
export const firstPortIndex = firstIndex + mostBridges

interface Bridge {
  index: number
  ports: number
  /** The kernel says so, though there should be room: ports of dead sandboxes that it has not reaped yet. */
  full: boolean
}

export class Bridges {
  readonly #socket: NetlinkSocket
  readonly #mtu: number
  readonly #subnet: Subnet
  readonly #portsPerBridge: number
  readonly #bridges: Bridge[]

  /** The first, with the gateway's addresses. */
  static create(
    socket: NetlinkSocket,
    parts: { subnet: Subnet; subnet6: Subnet6 | undefined; mtu: number; portsPerBridge: number },
  ): Bridges {
    const { subnet, subnet6, mtu } = parts
    const gateway = gatewayOf(subnet)
    const addresses = [addressBytes(gateway), ...(subnet6 ? [address6Of(subnet6, subnet, gateway)] : [])]
    socket.apply([
      rtnetlink.bringLoopbackUp(),
      ...bridgeRequests(0, subnet, mtu),
      ...addresses.map((address) => rtnetlink.addAddress(firstIndex, address)),
    ])
    return new Bridges(socket, parts)
  }

  /** The first is there already. */
  constructor(socket: NetlinkSocket, parts: { subnet: Subnet; mtu: number; portsPerBridge: number }) {
    this.#socket = socket
    this.#mtu = parts.mtu
    this.#subnet = parts.subnet
    this.#portsPerBridge = parts.portsPerBridge
    this.#bridges = [{ index: firstIndex, ports: 0, full: false }]
  }

  /**
   * Makes a port on a bridge that has room for it.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`, or what `make` throws
   */
  place<T>(make: (bridge: number) => T): T {
    for (;;) {
      const bridge =
        this.#bridges.find(({ ports, full }) => !full && ports < this.#portsPerBridge) ?? this.#add()
      try {
        const made = make(bridge.index)
        bridge.ports += 1
        return made
      } catch (error) {
        if (!(error instanceof NetnsError && error.errno === 'EXFULL') || bridge.full) throw error
        bridge.full = true
      }
    }
  }

  leave(index: number): void {
    const bridge = this.#bridges.find((one) => one.index === index)
    if (bridge === undefined) return
    bridge.ports -= 1
    bridge.full = false
  }

  #add(): Bridge {
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

/** All have the gateway's MAC: each sandbox knows one gateway, and meets it on its own bridge. */
function bridgeRequests(number: number, subnet: Subnet, mtu: number): Request[] {
  const [index, name] = [firstIndex + number, `${bridgePrefix}${number}`]
  return [
    rtnetlink.addBridge({ index, name, mac: macBytes(gatewayOf(subnet)), mtu }),
    ...rtnetlink.bringUp(index, name),
  ]
}

import { addressText } from '../addressing/addresses.ts'
import { address6Text } from '../addressing/addresses6.ts'
import { readHostRoutes } from '../addressing/read-host.ts'
import { uplinkAddress6, uplinkRange6 } from '../addressing/uplink-addresses.ts'
import type { HostSide } from '../firewall/network-ruleset.ts'
import type { NetlinkSocket } from '../kernel/index.ts'

/** Describes the host to the network's own rules. `outside` is the address of its end of the uplink. */
export function hostSide(host: NetlinkSocket, outside: Uint8Array, uplinks: string): HostSide {
  const { own, own6 } = readHostRoutes(host)
  return {
    end: addressText(Buffer.from(outside).readUInt32BE(0)),
    end6: address6Text(uplinkAddress6(outside)),
    uplinks,
    uplinks6: uplinkRange6,
    own,
    own6,
  }
}

/** The rtnetlink messages about addresses, routes and neighbours (rtnetlink(7)). See rtnetlink.ts. */
import { type Attribute, type NetlinkSocket, type Request, readU32, u32 } from './netlink.ts'

const RTM_NEWADDR = 20
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29

const NLM_F_REPLACE = 0x100
const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400

const AF_INET = 2
const AF_BRIDGE = 7
const AF_INET6 = 10

/** The groups that a Monitor joins to hear of routes (linux/rtnetlink.h). */
export const routeGroups = { ipv4: 7, ipv6: 11 } as const

/** A MAC, IPv4 or IPv6 address, as octets. */
type Bytes = Uint8Array

const familyOf = (address: Bytes) => (address.length === 4 ? AF_INET : AF_INET6)

/** Writes an address for people. */
function addressName(address: Bytes): string {
  if (address.length === 4) return address.join('.')
  const groups = Buffer.from(address).toString('hex').match(/.{4}/g) ?? []
  return groups.map((group) => group.replace(/^0{1,3}/, '')).join(':')
}

const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_FLAGS = 8

/** For IPv6: do not ask first whether the address is taken, so that it can be used at once. */
const IFA_F_NODAD = 2
/** Adds no route to the address's subnet. */
const IFA_F_NOPREFIXROUTE = 0x200

/** Gives a link an address that is alone in its subnet, or has one neighbour: `peer`. */
export const addAddress = (index: number, address: Bytes, peer: Bytes = address): Request =>
  addressRequest(index, address, { peer, length: address.length * 8, flags: 0 })

/**
 * Gives a link an address of a subnet, and no route to the subnet: programs see who their neighbours are, and what they
 * send goes where the other routes lead.
 *
 * @param length - of the subnet's prefix
 */
export const addAddressIn = (index: number, address: Bytes, length: number): Request =>
  addressRequest(index, address, { peer: address, length, flags: IFA_F_NOPREFIXROUTE })

function addressRequest(
  index: number,
  address: Bytes,
  { peer, length, flags }: { peer: Bytes; length: number; flags: number },
): Request {
  const header = Buffer.alloc(8)
  header.writeUInt8(familyOf(address), 0)
  header.writeUInt8(length, 1)
  header.writeUInt32LE(index, 4)
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header,
    attributes: [
      [IFA_LOCAL, address],
      [IFA_ADDRESS, peer],
      // Not all of them have room in the header.
      [IFA_FLAGS, u32(address.length === 4 ? flags : flags | IFA_F_NODAD)],
    ],
    doing: `give a link the address ${addressName(address)}`,
  }
}

const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5
const RTA_PREFSRC = 7
const RT_TABLE_MAIN = 254
const RTPROT_STATIC = 4
const RT_SCOPE_UNIVERSE = 0
const RT_SCOPE_LINK = 253
const RTN_UNICAST = 1
const RTN_LOCAL = 2
const RTN_BROADCAST = 3
const RTN_ANYCAST = 4
const RTN_MULTICAST = 5

export interface Route {
  /** The destination. Undefined: the default route. */
  to?: { address: Bytes; length: number }
  /** The link. */
  index: number
  via?: Bytes
  source?: Bytes
}

function routeRequest(type: number, flags: number, { to, index, via, source }: Route): Request {
  const header = Buffer.alloc(12)
  header.writeUInt8(familyOf(to?.address ?? via ?? source ?? new Uint8Array(4)), 0)
  header.writeUInt8(to?.length ?? 0, 1)
  header.writeUInt8(RT_TABLE_MAIN, 4)
  header.writeUInt8(RTPROT_STATIC, 5)
  header.writeUInt8(via !== undefined ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK, 6)
  header.writeUInt8(RTN_UNICAST, 7)
  const attributes: Attribute[] = []
  if (to !== undefined) attributes.push([RTA_DST, to.address])
  attributes.push([RTA_OIF, u32(index)])
  if (via !== undefined) attributes.push([RTA_GATEWAY, via])
  if (source !== undefined) attributes.push([RTA_PREFSRC, source])
  const name = to === undefined ? 'the default route' : `the route to ${addressName(to.address)}/${to.length}`
  return { type, flags, header, attributes, doing: type === RTM_NEWROUTE ? `add ${name}` : `remove ${name}` }
}

/** Adds a route; refused with `EEXIST` where there is one already. */
export const addRoute = (route: Route) => routeRequest(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route)
export const removeRoute = (route: Route) => routeRequest(RTM_DELROUTE, 0, route)

const NDA_DST = 1
const NDA_LLADDR = 2
const NUD_NOARP = 0x40
const NUD_PERMANENT = 0x80
const NTF_MASTER = 4

function neighbourHeader(index: number, address: Bytes): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt8(familyOf(address), 0)
  header.writeInt32LE(index, 4)
  header.writeUInt16LE(NUD_PERMANENT, 8)
  return header
}

/** Tells a namespace the MAC of an address, so that it never asks for it, nor believes an answer. */
export function addNeighbour(index: number, address: Bytes, mac: Bytes): Request {
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    header: neighbourHeader(index, address),
    attributes: [
      [NDA_DST, address],
      [NDA_LLADDR, mac],
    ],
    doing: `tell where ${addressName(address)} is`,
  }
}

/**
 * Tells a bridge which MAC is behind one of its ports. The bridge forgets it with the port, unless another port has
 * taken it over: the last that had the address may still be dying in the kernel.
 */
export function addForwarding(port: number, mac: Bytes): Request {
  const header = Buffer.alloc(12)
  header.writeUInt8(AF_BRIDGE, 0)
  header.writeInt32LE(port, 4)
  header.writeUInt16LE(NUD_NOARP, 8)
  header.writeUInt8(NTF_MASTER, 10)
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    header,
    attributes: [[NDA_LLADDR, mac]],
    doing: 'tell a bridge which MAC is behind a port',
  }
}

export function removeNeighbour(index: number, address: Bytes): Request {
  return {
    type: RTM_DELNEIGH,
    header: neighbourHeader(index, address),
    attributes: [[NDA_DST, address]],
    doing: `forget where ${addressName(address)} is`,
  }
}

export interface FoundRoute {
  address: Bytes
  /** The length of the prefix; 0 is a default route. */
  length: number
  index: number | undefined
  /** What goes there, the namespace delivers to itself: one of its own addresses, or a broadcast address. */
  own: boolean
  /** It is for broadcast or multicast. */
  toMany: boolean
}

/** Lists the routes of all tables, local addresses included; without those for broadcast and multicast. */
export const listRoutes = (socket: NetlinkSocket, family: 'ipv4' | 'ipv6' = 'ipv4'): FoundRoute[] =>
  listAllRoutes(socket, family).filter(({ toMany }) => !toMany)

/** Lists all routes of all tables. */
export function listAllRoutes(socket: NetlinkSocket, family: 'ipv4' | 'ipv6' = 'ipv4'): FoundRoute[] {
  const header = Buffer.alloc(12)
  header.writeUInt8(family === 'ipv4' ? AF_INET : AF_INET6, 0)
  const routes = socket.dump({ type: RTM_GETROUTE, header, attributes: [], doing: 'list the routes' })
  const any = new Uint8Array(family === 'ipv4' ? 4 : 16)
  return routes.map(({ header: routeHeader, attributes }) => {
    const oif = attributes.get(RTA_OIF)
    const type = routeHeader[7] as number
    return {
      address: attributes.get(RTA_DST) ?? any,
      length: routeHeader[1] as number,
      index: oif === undefined ? undefined : readU32(oif),
      own: [RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST].includes(type),
      toMany: [RTN_BROADCAST, RTN_MULTICAST].includes(type),
    }
  })
}

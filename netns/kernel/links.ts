/** The rtnetlink messages about links: bridges, veth pairs and their groups (rtnetlink(7)). See rtnetlink.ts. */
import {
  type Attribute,
  encodeAttributes,
  type NetlinkSocket,
  type Request,
  readText,
  readU32,
  text,
  u8,
  u32,
} from './netlink.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_SETLINK = 19

const NLM_F_EXCL = 0x200
const NLM_F_CREATE = 0x400

const AF_UNSPEC = 0
const AF_BRIDGE = 7
const AF_INET6 = 10
const IFF_UP = 1

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_MASTER = 10
const IFLA_PROTINFO = 12
const IFLA_OPERSTATE = 16
const IFLA_LINKINFO = 18
const IFLA_AF_SPEC = 26
const IFLA_GROUP = 27
const IFLA_NET_NS_FD = 28
const IFLA_NUM_TX_QUEUES = 31
const IFLA_NUM_RX_QUEUES = 32
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_BR_MCAST_SNOOPING = 23
const IFLA_BRPORT_UNICAST_FLOOD = 9
const IFLA_BRPORT_MCAST_FLOOD = 27
const IFLA_BRPORT_BCAST_FLOOD = 30
const IFLA_INET6_ADDR_GEN_MODE = 8
const ADDR_GEN_MODE_NONE = 1
const VETH_INFO_PEER = 1

/** A MAC address, as octets. */
type Mac = Uint8Array

/** struct ifinfomsg; `index` 0 leaves the choice to the kernel. */
function linkHeader(index: number, flags = 0, change = 0, family = AF_UNSPEC): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt8(family, 0)
  header.writeInt32LE(index, 4)
  header.writeUInt32LE(flags, 8)
  header.writeUInt32LE(change, 12)
  return header
}

export function addBridge(link: { index: number; name: string; mac: Mac; mtu: number }): Request {
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: linkHeader(link.index),
    attributes: [
      [IFLA_IFNAME, text(link.name)],
      // Without an address of its own it takes its ports' lowest, and changes it as they come and go.
      [IFLA_ADDRESS, link.mac],
      [IFLA_MTU, u32(link.mtu)],
      [
        IFLA_LINKINFO,
        [
          [IFLA_INFO_KIND, text('bridge')],
          [IFLA_INFO_DATA, [[IFLA_BR_MCAST_SNOOPING, u8(0)]]],
        ],
      ],
    ],
    doing: `make the bridge ${link.name}`,
  }
}

/** One end of a veth pair. */
export interface VethEnd {
  /** With 0 the kernel chooses. It then chooses the peer's too, whatever is asked for (veth_newlink). */
  index: number
  name: string
  mac?: Mac
}

export interface Veth extends VethEnd {
  mtu: number
  /** The bridge whose port it becomes. */
  master?: number
  /** Links of one group can be removed by one message. */
  group?: number
  peer: VethEnd & { namespace: number; group?: number }
}

/** Makes a veth pair. Both ends are down: an end that is up before its peer exists is refused (ENOTCONN). */
export function addVeth({ index, name, mac, mtu, master, group, peer }: Veth): Request {
  // One queue is enough; the kernel's default is one for each processor.
  const queues: Attribute[] = [
    [IFLA_NUM_TX_QUEUES, u32(1)],
    [IFLA_NUM_RX_QUEUES, u32(1)],
  ]
  const peerAttributes: Attribute[] = [
    [IFLA_IFNAME, text(peer.name)],
    [IFLA_MTU, u32(mtu)],
    [IFLA_NET_NS_FD, u32(peer.namespace)],
    ...queues,
    ...(peer.mac ? ([[IFLA_ADDRESS, peer.mac]] as const) : []),
    ...(peer.group ? ([[IFLA_GROUP, u32(peer.group)]] as const) : []),
  ]
  const peerInfo = Buffer.concat([linkHeader(peer.index), encodeAttributes(peerAttributes)])
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: linkHeader(index),
    attributes: [
      [IFLA_IFNAME, text(name)],
      [IFLA_MTU, u32(mtu)],
      ...queues,
      ...(mac ? ([[IFLA_ADDRESS, mac]] as const) : []),
      ...(master ? ([[IFLA_MASTER, u32(master)]] as const) : []),
      ...(group ? ([[IFLA_GROUP, u32(group)]] as const) : []),
      [
        IFLA_LINKINFO,
        [
          [IFLA_INFO_KIND, text('veth')],
          [IFLA_INFO_DATA, [[VETH_INFO_PEER, peerInfo]]],
        ],
      ],
    ],
    doing: `make the link ${name}`,
  }
}

/**
 * Makes a port of a bridge get only frames for the MACs behind it: neither broadcasts nor frames for unknown MACs. It
 * goes on learning: a bridge none of whose ports learns or floods tells each of them all MACs.
 */
export function quietPort(index: number): Request {
  return {
    type: RTM_SETLINK,
    header: linkHeader(index, 0, 0, AF_BRIDGE),
    attributes: [
      [
        IFLA_PROTINFO,
        [
          [IFLA_BRPORT_UNICAST_FLOOD, u8(0)],
          [IFLA_BRPORT_MCAST_FLOOD, u8(0)],
          [IFLA_BRPORT_BCAST_FLOOD, u8(0)],
        ],
      ],
    ],
    doing: 'make a bridge port quiet',
  }
}

/**
 * Brings a link up without an IPv6 link-local address and its consequences. It uses netlink, since the cost of writing
 * to /proc/sys grows with the number of namespaces. It takes two messages, since in one the kernel would bring the link
 * up first.
 */
export function bringUp(index: number, name: string): Request[] {
  return [
    {
      type: RTM_NEWLINK,
      header: linkHeader(index),
      attributes: [[IFLA_AF_SPEC, [[AF_INET6, [[IFLA_INET6_ADDR_GEN_MODE, u8(ADDR_GEN_MODE_NONE)]]]]]],
      doing: `silence IPv6 on ${name}`,
    },
    {
      type: RTM_NEWLINK,
      header: linkHeader(index, IFF_UP, IFF_UP),
      attributes: [],
      doing: `bring ${name} up`,
    },
  ]
}

/** Brings the loopback up, which keeps ::1. Its index is 1 in every namespace. */
export function bringLoopbackUp(): Request {
  return { type: RTM_NEWLINK, header: linkHeader(1, IFF_UP, IFF_UP), attributes: [], doing: 'bring lo up' }
}

/** Puts a link into a group, for `removeLinkGroup`. */
export function setLinkGroup(index: number, group: number): Request {
  return {
    type: RTM_NEWLINK,
    header: linkHeader(index),
    attributes: [[IFLA_GROUP, u32(group)]],
    doing: `put a link into group ${group}`,
  }
}

export function removeLink(index: number, name: string): Request {
  return { type: RTM_DELLINK, header: linkHeader(index), attributes: [], doing: `remove the link ${name}` }
}

/** Removes all links of a group: 0.4 ms each, where one by one they take 20. */
export function removeLinkGroup(group: number): Request {
  return {
    type: RTM_DELLINK,
    header: linkHeader(0),
    attributes: [[IFLA_GROUP, u32(group)]],
    doing: `remove the links of group ${group}`,
  }
}

export interface FoundLink {
  index: number
  name: string
  mtu: number
  /** The index of the bridge whose port it is. */
  master: number | undefined
}

export function listLinks(socket: NetlinkSocket): FoundLink[] {
  const links = socket.dump({
    type: RTM_GETLINK,
    header: linkHeader(0),
    attributes: [],
    doing: 'list the links',
  })
  return links.map(({ header, attributes }) => ({
    index: readU32(header, 4),
    name: readText(attributes.get(IFLA_IFNAME) ?? new Uint8Array()),
    mtu: readU32(attributes.get(IFLA_MTU) ?? u32(1500)),
    master: attributes.has(IFLA_MASTER) ? readU32(attributes.get(IFLA_MASTER) as Uint8Array) : undefined,
  }))
}

const IF_OPER_UP = 6

/**
 * Tells whether a link that was brought up passes packets yet. When its peer comes up later, the kernel leaves that to
 * a work queue, and drops all packets until then; the same goes for a bridge's port, and for a bridge with its first
 * port. Since Linux 6.8 asking is enough to make it ready (rtnl_getlink, linkwatch_sync_dev); before, one has to ask
 * again.
 */
export function isReady(socket: NetlinkSocket, index: number): boolean {
  const header = linkHeader(index)
  const { attributes } = socket.get({ type: RTM_GETLINK, header, attributes: [], doing: 'look at a link' })
  return attributes.get(IFLA_OPERSTATE)?.[0] === IF_OPER_UP
}

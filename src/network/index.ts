/** `moorage/network`: a namespace, an address, a name and aliases for anybody's container or process. */
export type { DnsAnswer } from '../../dns/index.ts'
export {
  checkHost,
  type Forward,
  type ForwardOptions,
  type Isolation,
  type NamespaceOf,
  NetnsError,
  type Network,
  type ReservedForward,
  recover,
  type Sandbox,
} from '../../netns/index.ts'
export { type Berths, hostNetwork } from './host-network.ts'
export type { JoinOptions, Member, MemberOptions } from './member.ts'
export type { AliasMap } from './members.ts'
export type { NetworkRecord } from './network-dns.ts'
export {
  createServiceNetwork,
  type ServiceNetwork,
  type ServiceNetworkOptions,
} from './service-network.ts'

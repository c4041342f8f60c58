/** `moorage/network`: a namespace, an address, a name and aliases for anybody's container or process. */
export type { DnsAnswer } from '../../dns/index.ts'
export { checkHost, NetnsError, type Network, recover, type Sandbox } from '../../netns/index.ts'
export { type Berths, hostNetwork } from './host-network.ts'
export {
  createServiceNetwork,
  type JoinOptions,
  type Member,
  type NetworkRecord,
  type ServiceNetwork,
  type ServiceNetworkOptions,
} from './service-network.ts'

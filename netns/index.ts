/** `moorage/netns`: bridge networks in namespaces of their own, sandboxes with addresses, and their firewall. */
export {
  type BatchCounters,
  type BatchedUdp,
  type BatchedUdpOptions,
  bindBatchedUdp,
  type PacketHandler,
  type PacketSource,
} from './batched-udp.ts'
export { checkHost, type Probe } from './check-host.ts'
export type { NamespaceOf } from './foreign-namespace.ts'
export type {
  Endpoint,
  Forward,
  ForwardLimits,
  ForwardOptions,
  HostForwardOptions,
} from './forward.ts'
export { createNetwork, openNetwork } from './hold-network.ts'
export { NetnsError, type NetnsErrorCode } from './kernel/index.ts'
export type { NetworkProblem } from './kernel-network.ts'
export type { Granted, Network, NetworkEvents, NetworkOptions, OpenNetworkOptions } from './network.ts'
export { type Host, type HostOptions, prepareHost } from './prepare-host.ts'
export { type Recovered, type RecoverOptions, recover } from './recover.ts'
export type { Isolation } from './ruleset.ts'
export type { AdoptedSandbox, Sandbox } from './sandbox.ts'
export { type ConnectOptions, listenTcp } from './sockets.ts'
export type { HostRouteState } from './uplink.ts'

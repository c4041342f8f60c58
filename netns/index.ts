/** `moorage/netns`: bridge networks in namespaces of their own, sandboxes with addresses, and their firewall. */

export { checkHost } from './check/check-host.ts'
export type { HostCheck as Probe } from './check/check-result.ts'
export type { Isolation } from './firewall/network-ruleset.ts'
export { createNetwork, openNetwork } from './handle/create-network.ts'
export type { NamespaceOf } from './handle/foreign-namespace.ts'
export { type Host, type HostOptions, prepareHost } from './handle/prepare-host.ts'
export type { AdoptedSandbox, Sandbox } from './handle/sandbox.ts'
export { NetnsError, type NetnsErrorCode } from './kernel/index.ts'
export type { Granted, Network, NetworkEvents, NetworkOptions, OpenNetworkOptions } from './network.ts'
export { type Recovered, type RecoverOptions, recover } from './ownership/recover.ts'
export {
  type BatchCounters,
  type BatchedUdp,
  type BatchedUdpOptions,
  bindBatchedUdp,
  type PacketHandler,
  type PacketSource,
} from './sockets/batched-udp.ts'
export type {
  Endpoint,
  Forward,
  ForwardLimits,
  ForwardOptions,
  HostForwardOptions,
} from './sockets/forward.ts'
export type { ReservedForward } from './sockets/reserve.ts'
export { type ConnectOptions, listenTcp } from './sockets/sockets.ts'
export type { HostRouteState } from './topology/host-route.ts'
export type { NetworkProblem } from './worker/problems.ts'

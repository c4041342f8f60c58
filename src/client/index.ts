/** The SDK: connects to a daemon, describes containers by value, and has them run. */

export { type ConnectOptions, connect } from './connect.ts'
export { Container } from './container/container.ts'
export type { ServiceBindings } from './container/describe-bindings.ts'
export type { Check, CheckTiming, PortCheck } from './container/health-checks.ts'
export type { ResourceOptions, Size } from './container/resources.ts'
export type { ServiceSettings } from './container/service-settings.ts'
export { Directory, type ExportOptions } from './files/directory.ts'
export { File } from './files/file.ts'
export { CacheVolume } from './graph/cache-volume.ts'
export type { ExecOptions } from './graph/exec-node.ts'
export type { NewFileOptions, PutOptions } from './graph/file-changes.ts'
export { type Host, Moorage } from './moorage.ts'
export type { ServiceExecOptions, ServiceExecResult } from './service/exec-in-service.ts'
export type { HostPortOptions } from './service/host-service.ts'
export {
  type EndpointOptions,
  type LogEntry,
  type LogsOptions,
  RunningService,
  Service,
} from './service/service.ts'
export type { Tunnel } from './service/tunnel.ts'
export type { CallContext, Session } from './session/session.ts'
export { apiPath } from './wire/api-path.ts'
export { hostOf } from './wire/daemon-address.ts'
export { eventsOf } from './wire/events.ts'
export type { OutputEvent, OutputStreamEvent } from './wire/output-stream.ts'
export { type CallOptions, createTransport, type Transport } from './wire/transport.ts'

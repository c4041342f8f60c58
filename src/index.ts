/** `moorage`: service containers, described by value. */
export {
  type CacheVolume,
  type CallContext,
  type ConnectOptions,
  type Container,
  connect,
  type EndpointOptions,
  type ExecOptions,
  type Host,
  type HostDirectory,
  type LogLine,
  type Moorage,
  type RunningService,
  type Service,
  type ServiceSettings,
  type Tunnel,
} from './client/index.ts'
export type {
  DirectoryFilter,
  Duration,
  ExposedPort,
  LogEvent,
  PortForward,
  Problem,
  ProgressEvent,
  RunRow,
  ServiceRow,
  Status,
  StreamEvent,
} from './definition/index.ts'
export { type ErrorCode, ExecError, HealthError, MoorageError } from './errors.ts'

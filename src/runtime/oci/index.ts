/** The embedded runtime: containers by crun or runc on this host. */
export { checkOci, type Probe } from './doctor.ts'
export { type RecoveredContainers, recoverContainers } from './recover.ts'
export { createOciRuntime, type OciRuntimeOptions } from './runtime.ts'

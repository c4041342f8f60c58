/** The embedded runtime: containers by crun or runc on this host. */
export { checkOci } from './check-oci.ts'
export { createOciRuntime, type OciRuntimeOptions } from './oci-runtime.ts'
export { type RecoveredContainers, recoverContainers } from './recover-containers.ts'

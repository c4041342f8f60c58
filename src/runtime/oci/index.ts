/** The embedded runtime: containers by crun or runc on this host. */
export { checkOci, tryContainer } from './check-oci.ts'
export { checkCapabilities, checkCgroups, checkOverlay } from './host-needs.ts'
export { createOciRuntime, type OciRuntimeOptions } from './oci-runtime.ts'
export { type RecoveredContainers, recoverContainers } from './recover-containers.ts'

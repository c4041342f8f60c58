import { join } from 'node:path'

/**
 * Where the embedded runtime keeps what lives as long as its containers, below the daemon's run directory:
 *
 *     oci/state/ID/       crun's or runc's own state
 *     oci/bundles/ID/     config.json, rootfs (the mount point), pid, log, stdin
 *     oci/cgroup/         a mount point, see cgroup-moves.ts
 *
 * Beside a container's upper directory stands `UPPER.overlay/`, with the overlay's work directory and mount points.
 */
export interface RuntimePaths {
  readonly root: string
  readonly state: string
  readonly bundles: string
}

export function runtimePaths(runDirectory: string): RuntimePaths {
  const root = join(runDirectory, 'oci')
  return { root, state: join(root, 'state'), bundles: join(root, 'bundles') }
}

/** The name of an instance's cgroup, in every hierarchy; a container's is below it, by its id. */
export function cgroupName(instance: string): string {
  return `moorage-${instance}`
}

/** In a container's config.json: the directory beside its upper, for recovery. */
export const overlayAnnotation = 'moorage.overlay'

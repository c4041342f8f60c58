import { join } from 'node:path'

/**
 * The directories that live as long as the containers do, below the daemon's run directory:
 *
 *     oci/state/ID/       crun's or runc's own state
 *     oci/bundles/ID/     config.json, rootfs (the mount point), pid, log, stdin
 *     oci/cgroup/         a mount point, see cgroups/own-hierarchy.ts
 *
 * `UPPER.overlay/`, beside a container's upper directory, holds the overlay's work directory and mount points.
 */
export interface RuntimePaths {
  readonly root: string
  readonly state: string
  readonly bundles: string
  /** The mount point of the instance's own cgroup hierarchy. */
  readonly cgroup: string
}

export function runtimePaths(runDirectory: string): RuntimePaths {
  const root = join(runDirectory, 'oci')
  return {
    root,
    state: join(root, 'state'),
    bundles: join(root, 'bundles'),
    cgroup: join(root, 'cgroup'),
  }
}

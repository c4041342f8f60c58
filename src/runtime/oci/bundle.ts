import type { ContainerSpec } from '../runtime.ts'
import {
  capabilities,
  kernelMounts,
  maskedPaths,
  openFilesLimit,
  pidsLimit,
  readonlyPaths,
} from './container-defaults.ts'
import { cgroupName, overlayAnnotation } from './paths.ts'
import type { OciSeccomp } from './seccomp-profile.ts'
import type { ContainerUser } from './user.ts'

/** What is the same for all containers of a launcher. */
export interface BundleContext {
  readonly instance: string
  readonly seccomp: SeccompSetting
  /** How many open files this process may allow: setting more fails, even for root. */
  readonly openFilesAllowed: number
}

/** crun takes the compiled filter; runc compiles the profile for each container. */
export type SeccompSetting = { kind: 'compiled'; bpf: string } | { kind: 'profile'; profile: OciSeccomp }

/** A container's config.json, by the OCI runtime specification. */
export function bundleConfig(
  context: BundleContext,
  spec: ContainerSpec,
  resolved: { user: ContainerUser; env: readonly string[]; overlay: string },
): { process: object; [key: string]: unknown } {
  const { user, env, overlay } = resolved
  const openFiles = Math.min(openFilesLimit, context.openFilesAllowed)
  const { seccomp } = context
  return {
    ociVersion: '1.0.2',
    hostname: spec.hostname,
    root: { path: 'rootfs', readonly: false },
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
      args: spec.args,
      env,
      cwd: spec.workdir || '/',
      // Nothing inheritable (CVE-2022-24769). A user other than root loses the rest when it executes.
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: false,
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: openFiles, hard: openFiles }],
    },
    mounts: [
      ...kernelMounts,
      ...inMountOrder(spec.mounts).map(({ source, destination, readonly }) => ({
        destination,
        type: 'bind',
        source,
        options: ['rbind', 'rprivate', readonly ? 'ro' : 'rw'],
      })),
    ],
    linux: {
      cgroupsPath: `/${cgroupName(context.instance)}/${spec.id}`,
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'cgroup' },
        { type: 'network', path: spec.namespace },
      ],
      resources: {
        devices: [{ allow: false, access: 'rwm' }],
        pids: { limit: pidsLimit },
      },
      maskedPaths,
      readonlyPaths,
      // Beside a compiled filter a profile must stand, too. This one refuses everything: a crun that does not know the
      // annotation cannot run a container without a filter.
      seccomp: seccomp.kind === 'compiled' ? { defaultAction: 'SCMP_ACT_ERRNO' } : seccomp.profile,
    },
    annotations: {
      [overlayAnnotation]: overlay,
      ...(seccomp.kind === 'compiled' ? { 'run.oci.seccomp_bpf_data': seccomp.bpf } : {}),
    },
  }
}

/** A mount inside another comes after it. */
export function inMountOrder<Mount extends { destination: string }>(mounts: readonly Mount[]): Mount[] {
  return [...mounts].sort((a, b) =>
    a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0,
  )
}

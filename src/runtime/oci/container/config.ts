import type { ContainerSpec } from '../../runtime.ts'
import { containerCgroup } from '../cgroups/cgroups.ts'
import { ociMounts, type ReadyMount } from '../rootfs/mounts.ts'
import type { SeccompSetting } from '../seccomp/filters.ts'
import { capabilitiesOf } from './capabilities.ts'
import { cgroupLimits } from './cgroup-limits.ts'
import { initPath } from './init.ts'
import { maskedPaths, readonlyPaths } from './protected-paths.ts'
import { type HardLimits, processLimits } from './ulimits.ts'
import type { ContainerUser } from './user.ts'

/** The part of the configuration that all containers of a launcher share. */
export interface ConfigContext {
  readonly instance: string
  /** Returns the filter for a set of capabilities: some system calls are allowed only with one of them. */
  readonly seccomp: (capabilities: readonly string[]) => SeccompSetting
  readonly hardLimits: HardLimits
}

/** Annotation in a container's config.json: the directory beside its upper, for recovery. */
export const overlayAnnotation = 'moorage.overlay'

/** Returns a container's config.json (OCI runtime specification), and notes about requests that it cannot meet. */
export function containerConfig(
  context: ConfigContext,
  spec: ContainerSpec,
  resolved: {
    user: ContainerUser
    env: readonly string[]
    overlay: string
    mounts: readonly ReadyMount[]
  },
): { config: { process: object; [key: string]: unknown }; notes: string[] } {
  const { user, env, overlay, mounts } = resolved
  const { resources = {} } = spec
  const { rlimits, notes } = processLimits(resources, context.hardLimits)
  const capabilities = capabilitiesOf(resources)
  const effective = effectiveCapabilities(user, capabilities)
  const seccomp = context.seccomp(capabilities)
  const config = {
    ociVersion: '1.0.2',
    hostname: spec.hostname,
    root: { path: 'rootfs', readonly: false },
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids, umask: 0o022 },
      args: resources.init ? [initPath, '--', ...spec.args] : spec.args,
      env,
      cwd: spec.workdir || '/',
      // No inheritable capabilities (CVE-2022-24769).
      capabilities: { bounding: capabilities, effective, permitted: effective },
      noNewPrivileges: false,
      rlimits,
    },
    mounts: ociMounts(mounts, resources.shmSize),
    linux: {
      cgroupsPath: `/${containerCgroup(context.instance, spec.id)}`,
      namespaces: [
        { type: 'pid' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'mount' },
        { type: 'cgroup' },
        { type: 'network', path: spec.namespace },
      ],
      resources: cgroupLimits(resources),
      maskedPaths,
      readonlyPaths,
      // A profile must stand beside a compiled filter, too. This one refuses everything: a crun that does not know the
      // annotation cannot run a container without a filter.
      seccomp: seccomp.kind === 'compiled' ? { defaultAction: 'SCMP_ACT_ERRNO' } : seccomp.profile,
    },
    annotations: {
      [overlayAnnotation]: overlay,
      ...(seccomp.kind === 'compiled' ? { 'run.oci.seccomp_bpf_data': seccomp.bpf } : {}),
    },
  }
  return { config, notes }
}

/**
 * Returns the capabilities in force from the start: none for a user other than root. Execution would take them from such a
 * user, but only after it had looked by them for the command and for the working directory.
 */
export function effectiveCapabilities(
  { uid }: Pick<ContainerUser, 'uid'>,
  capabilities: readonly string[],
): readonly string[] {
  return uid === 0 ? capabilities : []
}

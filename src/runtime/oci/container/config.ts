import type { BindMount, ContainerResources, ContainerSpec, TemporaryMount } from '../../runtime.ts'
import { cgroupName, overlayAnnotation } from '../runtime-paths.ts'
import type { OciSeccomp } from '../seccomp/profile.ts'
import { capabilities, type KernelMount, kernelMounts, maskedPaths, readonlyPaths } from './defaults.ts'
import { initPath } from './init.ts'
import { cgroupLimits, type HardLimits, processLimits } from './ulimits.ts'
import type { ContainerUser } from './user.ts'

/** What is the same for all containers of a launcher. */
export interface BundleContext {
  readonly instance: string
  /** The filter for a set of capabilities: some calls are allowed with one only. */
  readonly seccomp: (capabilities: readonly string[]) => SeccompSetting
  readonly hardLimits: HardLimits
}

/** crun takes the compiled filter; runc compiles the profile for each container. */
export type SeccompSetting = { kind: 'compiled'; bpf: string } | { kind: 'profile'; profile: OciSeccomp }

/** A container's config.json, by the OCI runtime specification. */
export function bundleConfig(
  context: BundleContext,
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
  const capable = capabilitiesOf(resources)
  const seccomp = context.seccomp(capable)
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
      // Nothing inheritable (CVE-2022-24769). A user other than root loses the rest when it executes.
      capabilities: { bounding: capable, effective: capable, permitted: capable },
      noNewPrivileges: false,
      rlimits,
    },
    mounts: [
      ...kernelMounts.map((mount) => withSize(mount, resources.shmSize)),
      ...inMountOrder(mounts).map(ociMount),
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
      resources: cgroupLimits(resources),
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
  return { config, notes }
}

/** The usual ones, without what is dropped, with what is added. */
export function capabilitiesOf({ capabilities: asked = {} }: ContainerResources): readonly string[] {
  const { add = [], drop = [] } = asked
  if (add.length === 0 && drop.length === 0) return capabilities
  const kept = drop.includes('ALL') ? [] : capabilities.filter((name) => !drop.includes(name.slice(4)))
  return [...new Set([...kept, ...add.map((name) => `CAP_${name}`)])].sort()
}

function withSize(mount: KernelMount, shmSize: number | undefined): KernelMount {
  if (shmSize === undefined || mount.destination !== '/dev/shm') return mount
  const options = mount.options.filter((option) => !option.startsWith('size='))
  return { ...mount, options: [...options, `size=${shmSize}`] }
}

/** A mount that the OCI runtime can make by itself. */
export type ReadyMount = BindMount | TemporaryMount

function ociMount(mount: ReadyMount) {
  const { destination } = mount
  if (mount.type === 'temporary') {
    const size = mount.size === undefined ? [] : [`size=${mount.size}`]
    return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'mode=1777', ...size] }
  }
  const { source, readonly } = mount
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', readonly ? 'ro' : 'rw'] }
}

/** A mount inside another comes after it. */
export function inMountOrder<Mount extends { destination: string }>(mounts: readonly Mount[]): Mount[] {
  return [...mounts].sort((a, b) =>
    a.destination < b.destination ? -1 : a.destination > b.destination ? 1 : 0,
  )
}

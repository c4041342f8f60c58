import type { BindMount, TemporaryMount } from '../../runtime.ts'

/** A mount that the OCI runtime can make by itself. */
export type ReadyMount = BindMount | TemporaryMount

/** An entry of `mounts` in a container's config.json. */
interface OciMount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** The mounts that every container has: Docker's defaults. */
export const defaultMounts: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
]

/** Returns the `mounts` of a container's config.json, in the order that is given. @param shmSize - size of /dev/shm, in bytes */
export function ociMounts(mounts: readonly ReadyMount[], shmSize: number | undefined): OciMount[] {
  return [...defaultMounts.map((mount) => withSize(mount, shmSize)), ...mounts.map(ociMountOf)]
}

function withSize(mount: OciMount, shmSize: number | undefined): OciMount {
  if (shmSize === undefined || mount.destination !== '/dev/shm') return mount
  const options = mount.options.filter((option) => !option.startsWith('size='))
  return { ...mount, options: [...options, `size=${shmSize}`] }
}

function ociMountOf(mount: ReadyMount): OciMount {
  const { destination } = mount
  if (mount.type === 'temporary') {
    const [uid = '0', gid = uid] = (mount.owner ?? '0').split(':')
    const ownership = [`mode=${(mount.mode ?? 0o1777).toString(8)}`, `uid=${uid}`, `gid=${gid}`]
    const size = mount.size === undefined ? [] : [`size=${mount.size}`]
    return {
      destination,
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'nodev', ...ownership, ...size],
    }
  }
  const { source, readonly } = mount
  return { destination, type: 'bind', source, options: ['rbind', 'rprivate', readonly ? 'ro' : 'rw'] }
}

/** The needs of containers that a start of the daemon looks at, so that the first container is not the one to find out. */
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statfsSync } from 'node:fs'
import { join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { KernelError, mountOverlay, umount } from '../../kernel/index.ts'
import { cgroupMounts, tryCgroup } from './cgroups/cgroups.ts'

export const cgroupsRemedy =
  'run it as root with a writable /sys/fs/cgroup; ip netns exec mounts /sys without it: use nsenter --net instead'
export const overlayRemedy =
  'load the kernel module overlay; keep the state directory on a plain filesystem (ext4, xfs, tmpfs), in a container on a volume'

/** Types of statfs(2). */
const CGROUP2_SUPER_MAGIC = 0x63677270
const TMPFS_MAGIC = 0x01021994

/** The filesystems that crun knows at /sys/fs/cgroup: version 2, and version 1. */
const cgroupRoots = [CGROUP2_SUPER_MAGIC, TMPFS_MAGIC]

/**
 * Makes sure that cgroups can be made, where crun looks for them.
 *
 * @param name - of a cgroup that is made and removed
 * @throws MoorageError HOST_UNSUITABLE
 */
export function checkCgroups(name: string): void {
  const refuse = (reason: string): never => {
    throw new MoorageError('HOST_UNSUITABLE', { reason, remedy: cgroupsRemedy })
  }
  let type: number | undefined
  try {
    type = statfsSync('/sys/fs/cgroup').type
  } catch {
    // Not there at all: told with the next line.
  }
  if (type === undefined || !cgroupRoots.includes(type) || cgroupMounts().length === 0)
    refuse('no cgroups are mounted at /sys/fs/cgroup')
  const refusal = tryCgroup(name)
  if (refusal !== undefined) refuse(`no cgroup can be made: ${refusal}`)
}

/** The numbers of capabilities without which no container starts (linux/capability.h). */
const needed = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21 }
const CAP_SYS_RESOURCE = 24

/**
 * Makes sure that root may do here what containers need: root of a container often may not.
 *
 * @throws MoorageError HOST_UNSUITABLE
 */
export function checkCapabilities(): void {
  const missing = Object.entries(needed).filter(([, bit]) => !hasCapability(bit))
  if (missing.length === 0) return
  const names = missing.map(([name]) => name).join(' and ')
  throw new MoorageError('HOST_UNSUITABLE', {
    reason: `this process is root, but without ${names}`,
    remedy: `give it ${names}; in a container: docker run --privileged`,
  })
}

function hasCapability(bit: number): boolean {
  const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
  return ((BigInt(`0x${line?.[1] ?? '0'}`) >> BigInt(bit)) & 1n) === 1n
}

/**
 * Tells whether only a trial shows that containers run here. Where cgroups are of version 2, crun raises its limit of
 * locked memory, for the program that guards devices; the kernel may refuse that without CAP_SYS_RESOURCE, and some
 * versions of crun fail then.
 */
export function needsTrial(): boolean {
  if (hasCapability(CAP_SYS_RESOURCE)) return false
  if (statfsSync('/sys/fs/cgroup').type !== CGROUP2_SUPER_MAGIC) return false
  return !/^Max locked memory\s+\S+\s+unlimited/m.test(readFileSync('/proc/self/limits', 'utf8'))
}

/**
 * Makes sure that containers' filesystems can be mounted in a directory, by mounting one.
 *
 * @param workIn - a directory on the same filesystem for what that takes. @defaultValue the directory itself
 * @throws MoorageError HOST_UNSUITABLE with the type of its filesystem
 */
export function checkOverlay(directory: string, workIn = directory): void {
  const place = mkdtempSync(join(workIn, '.moorage-overlay-'))
  try {
    const [lower = '', upper = '', work = '', target = ''] = ['lower', 'upper', 'work', 'target'].map(
      (name) => {
        mkdirSync(join(place, name))
        return join(place, name)
      },
    )
    mountOverlay({ lowers: [lower], upper, work, target, volatile: true })
    umount(target)
  } catch (cause) {
    // A full disk, for example, is told as that.
    if (!(cause instanceof KernelError)) throw cause
    const type = filesystemOf(directory)
    const reason = `${directory} is on a filesystem of type ${type}, on which none can be mounted for a container (${cause.message})`
    throw new MoorageError('HOST_UNSUITABLE', { reason, remedy: overlayRemedy }, { cause })
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** Returns the type of the filesystem that a directory is on, as /proc/self/mountinfo names it. */
function filesystemOf(directory: string): string {
  const path = realpathSync(directory)
  let [type, longest] = ['unknown', -1]
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const at = (before.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const covers = at !== '' && (path === at || path.startsWith(at === '/' ? '/' : `${at}/`))
    // The later of two mounts at one place hides the other.
    if (covers && at.length >= longest) [type, longest] = [after.split(' ')[0] ?? type, at.length]
  }
  return type
}

/** Mounts, and opening files below a directory without being led out of it. */
import { closeSync, constants, openSync, statfsSync } from 'node:fs'
import { endianness } from 'node:os'
import { NetnsError } from './errors.ts'
import * as libc from './libc.ts'

const MS_BIND = 0x1000
const MS_REC = 0x4000
const MNT_DETACH = 2

/** Makes `source` visible at `target`, which must exist; with `recursive`, what is mounted below it too. */
export function bindMount(source: string, target: string, options: { recursive?: boolean } = {}): void {
  libc.mount(source, target, null, MS_BIND | (options.recursive ? MS_REC : 0), null)
}

/** Removes the mount from the tree at once; whoever still uses it keeps it until he is done. */
export function umount(target: string): void {
  libc.umount2(target, MNT_DETACH)
}

/** How a mount may be used, whatever is on it. */
export interface MountLimits {
  readOnly?: boolean
  noSuid?: boolean
  noDevices?: boolean
  noExec?: boolean
}

export interface OverlayLayers extends MountLimits {
  /** From the uppermost to the lowest. */
  lowers: readonly string[]
  /** Where changes go; without it the mount is read-only. */
  upper?: string
  /** An empty directory on the filesystem of `upper`. */
  work?: string
  /** No sync at unmount, and no second mount of the same upper: for those that nobody keeps. */
  volatile?: boolean
}

const FSOPEN_CLOEXEC = 1
const FSMOUNT_CLOEXEC = 1
const OPEN_TREE_CLONE = 1
const OPEN_TREE_CLOEXEC = 0o2000000
const SET_FLAG = 0
const SET_STRING = 1
const CMD_CREATE = 6
const MOVE_MOUNT_F_EMPTY_PATH = 4
const AT_FDCWD = -100

function attributes({ readOnly, noSuid, noDevices, noExec }: MountLimits): number {
  return (readOnly ? 1 : 0) | (noSuid ? 2 : 0) | (noDevices ? 4 : 0) | (noExec ? 8 : 0)
}

/** The kernel refuses an overlay of one layer and no upper: that is the directory itself. */
const isOneLayer = ({ lowers, upper }: OverlayLayers) => upper === undefined && lowers.length === 1

/** A read-only view of a directory; the directory itself stays as it is. */
function cloneLayer(directory: string, limits: MountLimits): number {
  const clone = libc.openTree(AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
  try {
    libc.setMountAttributes(clone, attributes({ ...limits, readOnly: true }), `make ${directory} read-only`)
    return clone
  } catch (error) {
    closeSync(clone)
    throw error
  }
}

/** A procfs that is mounted nowhere: its entries are looked up through the descriptor. */
export function openProc(): number {
  const doing = 'open a procfs'
  const context = libc.fsopen('proc', FSOPEN_CLOEXEC)
  try {
    libc.fsconfig(context, CMD_CREATE, null, null, doing)
    return libc.fsmount(context, FSMOUNT_CLOEXEC, 0, doing)
  } finally {
    closeSync(context)
  }
}

/**
 * An overlay that is mounted nowhere: read it with `openInRoot`. The caller closes the descriptor, and with it the
 * mount.
 *
 * @throws NetnsError `KERNEL` with errno `EINVAL` where the kernel has no `lowerdir+` (before 6.7)
 */
export function openOverlay(layers: OverlayLayers): number {
  if (isOneLayer(layers)) return cloneLayer(layers.lowers[0] as string, layers)
  const doing = `set up an overlay of ${layers.lowers.length} layers`
  const context = libc.fsopen('overlay', FSOPEN_CLOEXEC)
  try {
    for (const lower of layers.lowers)
      libc.fsconfig(context, SET_STRING, 'lowerdir+', lower, `${doing}: ${lower}`)
    if (layers.upper !== undefined) libc.fsconfig(context, SET_STRING, 'upperdir', layers.upper, doing)
    if (layers.work !== undefined) libc.fsconfig(context, SET_STRING, 'workdir', layers.work, doing)
    if (layers.volatile) libc.fsconfig(context, SET_FLAG, 'volatile', null, doing)
    libc.fsconfig(context, CMD_CREATE, null, null, doing)
    return libc.fsmount(context, FSMOUNT_CLOEXEC, attributes(layers), doing)
  } finally {
    closeSync(context)
  }
}

const MS_LIMITS = { readOnly: 1, noSuid: 2, noDevices: 4, noExec: 8 } as const

/** `:` parts the layers and `,` the options; a backslash keeps both, and itself. */
const escaped = (path: string) => path.replace(/[\\:,]/g, '\\$&')

/** The old way, and the only one for kernels without `lowerdir+` (before 6.7): all in one string of at most a page. */
export function mountByOptions(target: string, layers: OverlayLayers): void {
  const parts = [`lowerdir=${layers.lowers.map(escaped).join(':')}`]
  if (layers.upper !== undefined) parts.push(`upperdir=${escaped(layers.upper)}`)
  if (layers.work !== undefined) parts.push(`workdir=${escaped(layers.work)}`)
  if (layers.volatile) parts.push('volatile')
  const options = parts.join(',')
  if (Buffer.byteLength(options) > 4095) {
    throw new NetnsError(
      'KERNEL',
      `mount ${layers.lowers.length} layers on ${target}: their paths take ${Buffer.byteLength(options)} bytes, and this kernel takes 4095`,
      { errno: 'E2BIG' },
    )
  }
  let flags = 0
  for (const [limit, flag] of Object.entries(MS_LIMITS)) if (layers[limit as keyof MountLimits]) flags |= flag
  libc.mount('overlay', target, 'overlay', flags, options)
}

/** Once it is known that the kernel has no `lowerdir+`, it is not asked again. */
let byOptions = false

/**
 * Mounts `lowers` one upon the other, with `upper` on top, on `target`.
 *
 * @throws NetnsError `KERNEL`
 */
export function mountOverlay({ target, ...layers }: OverlayLayers & { target: string }): void {
  const mount = openOverlayIfKnown(layers)
  if (mount === undefined) {
    mountByOptions(target, layers)
    return
  }
  try {
    libc.moveMount(mount, target, MOVE_MOUNT_F_EMPTY_PATH)
  } finally {
    closeSync(mount)
  }
}

/** Undefined where the kernel may be too old: it says EINVAL, as it does of much else. */
function openOverlayIfKnown(layers: OverlayLayers): number | undefined {
  if (byOptions && !isOneLayer(layers)) return undefined
  try {
    return openOverlay(layers)
  } catch (error) {
    if (isOneLayer(layers) || !(error instanceof NetnsError && error.errno === 'EINVAL')) throw error
    byOptions = isTooOld()
    return undefined
  }
}

/** Asked of a context that is thrown away: does the overlay filesystem know this parameter at all? */
function isTooOld(): boolean {
  const context = libc.fsopen('overlay', FSOPEN_CLOEXEC)
  try {
    libc.fsconfig(context, SET_STRING, 'lowerdir+', '/', 'ask for lowerdir+')
    return false
  } catch {
    return true
  } finally {
    closeSync(context)
  }
}

const RESOLVE_NO_MAGICLINKS = 0x02
const RESOLVE_IN_ROOT = 0x10

/**
 * How often a path is walked. A rename or a mount anywhere on the machine makes the kernel give up at a `..`, since it
 * cannot tell any more that it stayed inside, and leaves trying again to us (openat2(2), EAGAIN).
 */
const mostWalks = 1_000

/**
 * Opens `path` as a process would whose root directory is `root`: neither `..` nor a symlink, absolute or not, leads
 * out of it (openat2(2), RESOLVE_IN_ROOT). Close-on-exec.
 *
 * @param root - a descriptor of a directory, or of a detached mount
 * @param flags - as for open(2); O_RDONLY by default
 * @param mode - of a file that `O_CREAT` makes
 */
export function openInRoot(root: number, path: string, flags = constants.O_RDONLY, mode = 0): number {
  const how = new BigUint64Array(3)
  how[0] = BigInt(flags | 0o2000000)
  how[1] = BigInt(mode)
  how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
  for (let walk = 1; ; walk += 1) {
    try {
      return libc.openat2(root, path, new Uint8Array(how.buffer), `open ${path}`)
    } catch (error) {
      if (walk === mostWalks || !(error instanceof NetnsError && error.errno === 'EAGAIN')) throw error
    }
  }
}

/** A descriptor of a directory, for `openInRoot`. */
export function openRoot(directory: string): number {
  return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
}

/** Bytes that an unprivileged process may still write on the filesystem of `path`. */
export function freeSpace(path: string): number {
  const { bavail, bsize } = statfsSync(path)
  return bavail * bsize
}

/** A real pipe, close-on-exec at both ends. Node's own `pipe` is a socket, which nobody can open as /dev/stdout. */
export function makePipe(): { read: number; write: number } {
  const [read, write] = libc.pipe2()
  return { read, write }
}

const LOCK_EX = 2
const LOCK_NB = 4

/** Takes an open file's lock for this descriptor, without waiting: false when somebody else holds it (flock(2)). */
export function lockFile(fd: number): boolean {
  return libc.flock(fd, LOCK_EX | LOCK_NB)
}

const SOL_SOCKET = 1
const SO_PEERCRED = 17

/** Who connected to a unix socket (SO_PEERCRED): ids as they were when it did; `gid` is the primary group only. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const credentials = new Int32Array(3)
  libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, new Uint8Array(credentials.buffer), 'ask who is on the socket')
  const [pid, uid, gid] = credentials
  return { pid: pid as number, uid: uid as number, gid: gid as number }
}

/** Netlink and the structures above are in the host's byte order, which is taken to be this one. */
if (endianness() !== 'LE')
  throw new NetnsError('KERNEL', 'this machine is big-endian, which is not supported')

/** Overlays: several directories seen as one, mounted at a path or nowhere. */
import { closeSync } from 'node:fs'
import { KernelError } from './errors.ts'
import * as libc from './libc.ts'

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
  /** No sync at unmount, and no second mount of the same upper: for changes that nobody keeps. */
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

/** MOUNT_ATTR_RDONLY and the like; MS_RDONLY and the like of mount(2) are the same bits. */
function limitFlags({ readOnly, noSuid, noDevices, noExec }: MountLimits): number {
  return (readOnly ? 1 : 0) | (noSuid ? 2 : 0) | (noDevices ? 4 : 0) | (noExec ? 8 : 0)
}

/** The kernel refuses an overlay of one layer and no upper: that is the directory itself. */
const isOneLayer = ({ lowers, upper }: OverlayLayers) => upper === undefined && lowers.length === 1

/** Opens a read-only view of a directory; the directory itself stays as it is. */
function cloneLayer(directory: string, limits: MountLimits): number {
  const clone = libc.openTree(AT_FDCWD, directory, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
  try {
    libc.setMountAttributes(clone, limitFlags({ ...limits, readOnly: true }), `make ${directory} read-only`)
    return clone
  } catch (error) {
    closeSync(clone)
    throw error
  }
}

/**
 * Opens an overlay that is mounted nowhere: read it with `openInRoot`. The caller closes the descriptor, and with it
 * the mount.
 *
 * @throws KernelError with errno `EINVAL` where the kernel has no `lowerdir+` (before 6.7)
 */
export function openOverlay(layers: OverlayLayers): number {
  if (isOneLayer(layers)) return cloneLayer(layers.lowers[0] as string, layers)
  const doing = `set up an overlay of ${layers.lowers.length} layers`
  const context = libc.fsopen('overlay', FSOPEN_CLOEXEC)
  try {
    const set = (key: string, path: string) => setLayer(context, key, path, `${doing}: ${path}`)
    for (const lower of layers.lowers) set('lowerdir+', lower)
    if (layers.upper !== undefined) set('upperdir', layers.upper)
    if (layers.work !== undefined) set('workdir', layers.work)
    if (layers.volatile) libc.fsconfig(context, SET_FLAG, 'volatile', null, doing)
    libc.fsconfig(context, CMD_CREATE, null, null, doing)
    return libc.fsmount(context, FSMOUNT_CLOEXEC, limitFlags(layers), doing)
  } finally {
    closeSync(context)
  }
}

/**
 * Sets one layer. Overlayfs takes a backslash away from `upperdir` and `workdir`, but not from `lowerdir+`; should a
 * kernel do otherwise, the other form is tried.
 */
function setLayer(context: number, key: string, path: string, doing: string): void {
  const doubled = path.replaceAll('\\', '\\\\')
  const [first, second] = key === 'lowerdir+' ? [path, doubled] : [doubled, path]
  try {
    libc.fsconfig(context, SET_STRING, key, first, doing)
  } catch (error) {
    if (first === second || !(error instanceof KernelError && error.errno === 'ENOENT')) throw error
    libc.fsconfig(context, SET_STRING, key, second, doing)
  }
}

/** `:` separates the layers and `,` the options; a backslash protects both, and itself. */
const escaped = (path: string) => path.replace(/[\\:,]/g, '\\$&')

/**
 * Mounts an overlay by mount(2), the only way for kernels without `lowerdir+` (before 6.7): all options are one string
 * of at most a page.
 */
export function mountByOptions(target: string, layers: OverlayLayers): void {
  const parts = [`lowerdir=${layers.lowers.map(escaped).join(':')}`]
  if (layers.upper !== undefined) parts.push(`upperdir=${escaped(layers.upper)}`)
  if (layers.work !== undefined) parts.push(`workdir=${escaped(layers.work)}`)
  if (layers.volatile) parts.push('volatile')
  const options = parts.join(',')
  const length = Buffer.byteLength(options)
  if (length > 4095) {
    throw new KernelError(
      'E2BIG',
      `mount ${layers.lowers.length} layers on ${target}: their paths take ${length} bytes, and this kernel takes 4095`,
    )
  }
  libc.mount('overlay', target, 'overlay', limitFlags(layers), options)
}

/** True once the kernel was found to have no `lowerdir+`; it is not asked again. */
let tooOld = false

/**
 * Mounts `lowers` one upon the other, with `upper` on top, on `target`.
 *
 * @throws KernelError
 */
export function mountOverlay({ target, ...layers }: OverlayLayers & { target: string }): void {
  const mount = openOverlayIfSupported(layers)
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

/** Returns undefined where the kernel may be too old: it says EINVAL then, as it does for much else. */
function openOverlayIfSupported(layers: OverlayLayers): number | undefined {
  if (tooOld && !isOneLayer(layers)) return undefined
  try {
    return openOverlay(layers)
  } catch (error) {
    if (isOneLayer(layers) || !(error instanceof KernelError && error.errno === 'EINVAL')) throw error
    tooOld = lacksLowerdirPlus()
    return undefined
  }
}

/** Asks a context that is thrown away whether the overlay filesystem has this parameter at all. */
function lacksLowerdirPlus(): boolean {
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

const MNT_DETACH = 2

/** Removes a mount from the tree at once; whoever still uses it keeps it until done with it. */
export function umount(target: string): void {
  libc.umount2(target, MNT_DETACH)
}

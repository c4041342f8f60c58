import { extendedAttribute } from '../../../kernel/index.ts'
import type { FileStatus } from './root-view.ts'

/** Somebody whose access to files is asked about. */
export interface Accessor {
  readonly uid: number
  readonly gid: number
  readonly additionalGids: readonly number[]
  /** With CAP_: those in force, which are none for a user other than root. */
  readonly capabilities: readonly string[]
}

/** Decides whether a directory may be searched: path_resolution(7). */
export function maySearch(stat: FileStatus, fd: number | undefined, who: Accessor): boolean {
  if (who.capabilities.includes('CAP_DAC_OVERRIDE') || who.capabilities.includes('CAP_DAC_READ_SEARCH'))
    return true
  return hasExecuteBit(stat, fd, who)
}

/** Decides whether a file may be executed. Whoever overrides permissions needs any one execute bit. */
export function mayExecute(stat: FileStatus, fd: number | undefined, who: Accessor): boolean {
  if (who.capabilities.includes('CAP_DAC_OVERRIDE')) return (stat.mode & 0o111) !== 0
  return hasExecuteBit(stat, fd, who)
}

function hasExecuteBit({ mode, uid, gid }: FileStatus, fd: number | undefined, who: Accessor): boolean {
  if (uid === who.uid) return (mode & 0o100) !== 0
  // An access control list says more than the mode: that is left to the kernel.
  if (fd !== undefined && extendedAttribute(fd, 'system.posix_acl_access') !== undefined) return true
  if (gid === who.gid || who.additionalGids.includes(gid)) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}

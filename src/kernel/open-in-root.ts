/** Opening files below a directory without being led out of it. */
import { constants, openSync } from 'node:fs'
import { KernelError } from './errors.ts'
import { O_CLOEXEC, openat2 } from './libc.ts'

/** open(2): a descriptor that only names the file; Node has no constant for it. */
export const O_PATH = 0o10000000

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
 * @throws KernelError, with errno `ENOENT` where there is nothing
 */
export function openInRoot(root: number, path: string, flags = constants.O_RDONLY, mode = 0): number {
  const how = new BigUint64Array(3)
  how[0] = BigInt(flags | O_CLOEXEC)
  how[1] = BigInt(mode)
  how[2] = BigInt(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
  for (let walk = 1; ; walk += 1) {
    try {
      return openat2(root, path, new Uint8Array(how.buffer), `open ${path}`)
    } catch (error) {
      if (walk === mostWalks || !(error instanceof KernelError && error.errno === 'EAGAIN')) throw error
    }
  }
}

/** Opens a directory as a root for `openInRoot`. */
export function openRoot(directory: string): number {
  return openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
}

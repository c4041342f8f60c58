import { getSystemErrorMap, getSystemErrorName } from 'node:util'

/** A system call that the kernel refused: the errno to act on, and one sentence that says what was being done. */
export class KernelError extends Error {
  override readonly name = 'KernelError'
  readonly code = 'KERNEL'
  /** The errno's name, for example `ENOENT`. */
  readonly errno: string

  constructor(errno: string, message: string) {
    super(message)
    this.errno = errno
  }
}

/**
 * Builds the error of a failed system call.
 *
 * @param errno - as the kernel gives it, positive
 * @param doing - what was being done, with the names involved: `mount /a on /b`
 */
export function kernelError(errno: number, doing: string): KernelError {
  const name = errno === 0 ? 'UNKNOWN' : getSystemErrorName(-errno)
  const words = getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`
  return new KernelError(name, `${doing}: ${name} (${words})`)
}

import { getSystemErrorMap, getSystemErrorName } from 'node:util'

/** The codes of `moorage/netns`; an error with `KERNEL` has the errno's name besides. */
export type NetnsErrorCode =
  | 'NOT_ROOT'
  | 'UNSUPPORTED_HOST'
  | 'BAD_CIDR'
  | 'SUBNET_IN_USE'
  | 'NO_SUBNET'
  | 'NO_UPLINK'
  | 'ADDRESSES_EXHAUSTED'
  | 'NETWORK_EXISTS'
  | 'NETWORK_GONE'
  | 'BAD_NAMESPACE'
  | 'INVALID_NAME'
  | 'KERNEL'
  | 'NFT_FAILED'
  | 'TIMEOUT'
  | 'WORKER_FAILED'

/** The one error class of `moorage/netns`: a code to act on, one sentence to read. */
export class NetnsError extends Error {
  override readonly name = 'NetnsError'
  readonly code: NetnsErrorCode
  /** The kernel's answer, for example `EEXIST`; only with `KERNEL`. */
  readonly errno: string | undefined

  constructor(code: NetnsErrorCode, message: string, options: { cause?: unknown; errno?: string } = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.errno = options.errno
  }
}

/**
 * Builds the error of a failed system call.
 *
 * @param errno - as the kernel gives it, positive
 * @param doing - what was being done, with the names involved: `mount /a on /b`
 * @param ownWords - the kernel's own words for it (netlink's extended acknowledgement)
 */
export function kernelError(errno: number, doing: string, ownWords?: string): NetnsError {
  const name = errno === 0 ? 'UNKNOWN' : getSystemErrorName(-errno)
  const words = ownWords ?? getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`
  return new NetnsError('KERNEL', `${doing}: ${name} (${words})`, { errno: name })
}

/** What can go wrong in `moorage/dns`. */
export type DnsErrorCode =
  | 'BAD_NAME'
  | 'BAD_ADDRESS'
  | 'BAD_ZONE'
  | 'BAD_UPSTREAM'
  | 'LISTEN_FAILED'
  | 'CLOSED'

/** A failure of the DNS server: a code, a sentence with the names and numbers, and the cause. */
export class DnsError extends Error {
  override readonly name: string = 'DnsError'
  readonly code: DnsErrorCode

  constructor(code: DnsErrorCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.code = code
  }
}

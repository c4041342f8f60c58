/** The codes of the errors of `moorage/dns`. */
export type DnsErrorCode =
  | 'INVALID_NAME'
  | 'INVALID_ADDRESS'
  | 'INVALID_RECORD'
  | 'INVALID_OPTION'
  | 'INVALID_TYPE'
  | 'UNKNOWN_ZONE'
  | 'NOT_IN_ZONE'
  | 'CNAME_CONFLICT'
  | 'TRANSACTION'
  | 'ADDRESS_IN_USE'
  | 'LISTEN_FAILED'
  | 'INVALID_ANSWER'
  | 'UPSTREAM_FAILED'
  | 'FORWARD_LOOP'
  | 'HOSTS_FILE'
  | 'CLOSED'

/** The one error class of `moorage/dns`: a `code` for programs, one sentence for people, and the `cause`. */
export class DnsError extends Error {
  readonly code: DnsErrorCode

  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DnsError'
    this.code = code
  }
}

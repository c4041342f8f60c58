import { DnsError } from '../errors.ts'

/** RFC 2181, 8. */
const longestTtl = 2 ** 31 - 1

/** @throws DnsError `code` for what is no number of seconds that a record can carry */
export function checkTtl(ttl: number, code: 'INVALID_OPTION' | 'INVALID_RECORD'): number {
  if (Number.isInteger(ttl) && ttl >= 0 && ttl <= longestTtl) return ttl
  throw new DnsError(code, `ttl: ${ttl} is not a number of seconds between 0 and ${longestTtl}`)
}

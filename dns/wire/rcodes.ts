/** Response codes that this server knows by name (IANA, "Domain Name System Parameters"). */
export const rcode = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Needs the upper bits that an OPT record carries (RFC 6891, 6.1.3). */
  BADVERS: 16,
} as const

/** Reasons that an OPT record may carry besides the rcode (RFC 8914, 4); 0 stands for none here. */
export const extendedError = {
  none: 0,
  prohibited: 18,
  notAuthoritative: 20,
  noReachableAuthority: 22,
} as const

const names = new Map<number, string>([
  ...Object.entries(rcode).map(([name, code]): [number, string] => [code, name]),
  [6, 'YXDOMAIN'],
  [7, 'YXRRSET'],
  [8, 'NXRRSET'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
])

export function rcodeName(code: number): string {
  return names.get(code) ?? `RCODE${code}`
}

/** Numbers of the registries (IANA "Domain Name System Parameters") that this server knows by name. */
export const recordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  OPT: 41,
  DS: 43,
  RRSIG: 46,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const

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

const typeNames = new Map<number, string>(Object.entries(recordType).map(([name, code]) => [code, name]))
const rcodeNames = new Map<number, string>([
  ...Object.entries(rcode).map(([name, code]): [number, string] => [code, name]),
  [6, 'YXDOMAIN'],
  [7, 'YXRRSET'],
  [8, 'NXRRSET'],
  [9, 'NOTAUTH'],
  [10, 'NOTZONE'],
])

/** `A`, or `TYPE1234` for what has no name here (RFC 3597, 5). */
export function typeName(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`
}

/** The number of `A`, `aaaa` or `TYPE1234`. */
export function typeCode(name: string): number | undefined {
  const known = recordType[name.toUpperCase() as keyof typeof recordType]
  if (known !== undefined) return known
  const digits = /^type(\d{1,5})$/i.exec(name)?.[1]
  return digits !== undefined && Number(digits) < 65536 ? Number(digits) : undefined
}

export function rcodeName(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`
}

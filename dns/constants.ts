/** Numbers of the protocol: RFC 1035 section 3.2, 3596 (AAAA), 2782 (SRV), 6891 (OPT). */
export const types = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  SVCB: 64,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const

export const typeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(types).map(([name, number]) => [number, name]),
)

/** The number of a type by its name, or by RFC 3597's `TYPE123`. */
export function typeNumber(name: string): number | undefined {
  const known = (types as Readonly<Record<string, number>>)[name.toUpperCase()]
  return known ?? (/^TYPE\d{1,5}$/i.test(name) ? Number(name.slice(4)) : undefined)
}

export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const
export type Rcode = keyof typeof rcodes
export const rcodeNames: ReadonlyMap<number, string> = new Map(
  Object.entries(rcodes).map(([name, number]) => [number, name]),
)

export const classIn = 1
export const classAny = 255

/** What fits into an IPv6 packet of the least MTU: RFC 9715, DNS flag day 2020. */
export const udpLimit = 1_232
/** RFC 1035 section 4.2.1, for those who do not say what they take. */
export const classicLimit = 512

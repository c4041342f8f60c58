import { DnsError } from '../errors.ts'
import {
  address,
  characterString,
  characterStrings,
  type DataFormat,
  type DataReader,
  domainName,
  fields,
  malformed,
  unsigned,
} from './record-data.ts'

/** Everything that this server knows about one type of record. */
export interface RecordType<Input = never> {
  /** Its number in the registry (IANA, "Domain Name System Parameters"). */
  readonly code: number
  /** The format of its data. Without one, users cannot set it, and data is spelled in hexadecimal (RFC 3597, 5). */
  readonly data?: DataFormat<Input>
  /** True if users may set it by `zone.setRecords()`. Other types are derived by the server, or only read. */
  readonly settable?: boolean
  /** Where names that may be compressed lie in its data (RFC 1035, 3.3; RFC 3597, 4): so many octets precede them. */
  readonly names?: { readonly before: number; readonly count: number }
  /** Finds the name, in data as octets, whose addresses travel in the additional section (RFC 2782, for SRV). */
  readonly host?: (data: Buffer) => Buffer
}

/** A host that has a service (RFC 2782). The lowest priority goes first; the target `.` says that there is none. */
export interface ServiceTarget {
  /** @defaultValue 0 */
  readonly priority?: number
  /** The share among those of one priority. @defaultValue 0 */
  readonly weight?: number
  readonly port: number
  /** A name, relative to the zone unless it ends in a dot. */
  readonly target: string
}

/** A host that takes mail for a name (RFC 1035, 3.3.9). The lowest preference goes first. */
export interface MailExchange {
  readonly preference: number
  /** A name, relative to the zone unless it ends in a dot. */
  readonly exchange: string
}

interface StartOfAuthority {
  readonly primary: string
  readonly mailbox: string
  readonly serial: number
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  readonly minimum: number
}

const oneName = { before: 0, count: 1 }

/** The table of record types: a new one is an entry here, and nothing else. */
export const recordTypes = {
  A: { code: 1, data: address(4) },
  NS: { code: 2, data: domainName, names: oneName },
  CNAME: { code: 5, data: domainName, names: oneName, settable: true },
  SOA: {
    code: 6,
    data: fields<StartOfAuthority>({
      primary: domainName,
      mailbox: domainName,
      serial: unsigned(4),
      refresh: unsigned(4),
      retry: unsigned(4),
      expire: unsigned(4),
      minimum: unsigned(4),
    }),
    names: { before: 0, count: 2 },
  },
  PTR: { code: 12, data: domainName, names: oneName },
  HINFO: {
    code: 13,
    data: fields<{ cpu: string; os: string }>({ cpu: characterString, os: characterString }),
  },
  MX: {
    code: 15,
    data: fields<MailExchange>({ preference: unsigned(2), exchange: domainName }),
    names: { before: 2, count: 1 },
    settable: true,
    host: (data) => data.subarray(2),
  },
  TXT: { code: 16, data: characterStrings, settable: true },
  AAAA: { code: 28, data: address(16) },
  SRV: {
    code: 33,
    data: fields<ServiceTarget>({
      priority: unsigned(2, 0),
      weight: unsigned(2, 0),
      port: unsigned(2),
      target: domainName,
    }),
    names: { before: 6, count: 1 },
    settable: true,
    host: (data) => data.subarray(6),
  },
  NAPTR: { code: 35 },
  OPT: { code: 41 },
  DS: { code: 43 },
  RRSIG: { code: 46 },
  DNSKEY: { code: 48 },
  TLSA: { code: 52 },
  SVCB: { code: 64 },
  HTTPS: { code: 65 },
  IXFR: { code: 251 },
  AXFR: { code: 252 },
  ANY: { code: 255 },
  CAA: { code: 257 },
} as const satisfies Readonly<Record<string, RecordType>>

type Table = typeof recordTypes

/** The types that `zone.setRecords()` takes. */
export type SettableType = {
  [Name in keyof Table]: Table[Name] extends { settable: true } ? Name : never
}[keyof Table]

/** The value that a user gives for one record of a type. */
export type RecordInput<Type extends SettableType> = Table[Type] extends { data: DataFormat<infer Input> }
  ? Input
  : never

const byCode = new Map<number, { name: string; type: RecordType }>(
  Object.entries(recordTypes).map(([name, type]) => [type.code, { name, type: type as RecordType }]),
)

/** @throws DnsError `INVALID_TYPE` for the name of a type that users cannot set */
export function settableType(
  name: string,
): Required<Pick<RecordType, 'code' | 'data'>> & Pick<RecordType, 'host'> & { name: string } {
  const type: RecordType | undefined = recordTypes[name.toUpperCase() as keyof Table]
  if (type?.data !== undefined && type.settable) return { ...type, data: type.data, name: name.toUpperCase() }
  throw new DnsError('INVALID_TYPE', `"${name}" is not a type of record that can be set`)
}

/** `A`, or `TYPE1234` for a type that has no name here (RFC 3597, 5). */
export function typeName(code: number): string {
  return byCode.get(code)?.name ?? `TYPE${code}`
}

/** The number of `A`, `aaaa` or `TYPE1234`. */
export function typeCode(name: string): number | undefined {
  const named = recordTypes[name.toUpperCase() as keyof Table]
  if (named !== undefined) return named.code
  const digits = /^type(\d{1,5})$/i.exec(name)?.[1]
  return digits !== undefined && Number(digits) < 65536 ? Number(digits) : undefined
}

/** Spells the data of a record as in a zone file. @throws DnsError `INVALID_ANSWER` if it is not of its type */
export function dataText(code: number, data: DataReader): string {
  const format = byCode.get(code)?.type.data
  if (format === undefined) return `\\# ${data.left} ${data.octets(data.left).toString('hex')}`
  const text = format.read(data)
  if (data.left > 0) throw malformed(`a record of type ${typeName(code)} is longer than its data`)
  return text
}

import { DnsError } from '../errors.ts'
import { type Address, parseAddress } from '../wire/address.ts'
import type { DnsRecord } from '../wire/decode-answer.ts'
import { textName } from '../wire/name.ts'
import { checkTtl, setSize } from '../wire/record-set.ts'
import {
  type RecordInput,
  recordTypes,
  type ServiceTarget,
  type SettableType,
  settableType,
} from '../wire/record-types.ts'
import { checkSetSize } from '../wire/truncation.ts'
import type { Journal } from './change.ts'
import { aliasTarget, type Content, noContent, type TypedRecords, type ZoneData } from './zone-data.ts'

export interface RecordOptions {
  /**
   * Seconds that clients may keep these records: all of one type under one name alike (RFC 2181, 5.2).
   * @defaultValue the server's `ttl`, which is 0 unless set
   */
  ttl?: number
}

/**
 * The names of a zone. Names are relative to it unless they end in a dot; `@` is the zone itself. Case does not matter
 * (RFC 4343). A change is complete when the call returns: the next query sees it.
 */
export interface Zone {
  /** The zone's own name, without a dot at its end. */
  readonly name: string
  /**
   * Gives a name its IPv4 and IPv6 addresses (RFC 1035, 3.4.1; RFC 3596), in place of those it had. With none, the
   * name exists without data.
   * @throws DnsError `INVALID_NAME`, `INVALID_ADDRESS`, `INVALID_RECORD`, `NOT_IN_ZONE`, `CNAME_CONFLICT`; nothing is
   * changed then
   */
  set(name: string, addresses: readonly string[], options?: RecordOptions): void
  /**
   * Gives a name one TXT record of these strings (RFC 1035, 3.3.14), of at most 255 octets each. No strings remove the
   * record.
   * @throws DnsError as `set` does
   */
  setText(name: string, strings: readonly string[], options?: RecordOptions): void
  /**
   * Gives a name the SRV records of a service (RFC 2782), in place of those it had. No targets remove them. The
   * addresses of targets in zones of this server travel with the answer.
   * @param name such as `_postgres._tcp`
   * @throws DnsError as `set` does
   */
  setSrv(name: string, services: readonly ServiceTarget[], options?: RecordOptions): void
  /**
   * Makes a name another name for `target` (relative to the zone unless it ends in a dot). It can have no other
   * records.
   * @throws DnsError as `set` does
   */
  setCname(name: string, target: string, options?: RecordOptions): void
  /**
   * Gives a name records of one type, in place of those of this type that it had. No records remove them. The
   * addresses of hosts in them, such as targets of SRV, travel with the answer if they are in zones of this server.
   * @param type such as `MX`; addresses are set by `set`
   * @throws DnsError as `set` does, and `INVALID_TYPE`
   * @example zone.setRecords('@', 'MX', [{ preference: 10, exchange: 'mail' }])
   */
  setRecords<Type extends SettableType>(
    name: string,
    type: Type,
    records: readonly RecordInput<Type>[],
    options?: RecordOptions,
  ): void
  /** Deletes a name with all its records. @returns false if there was none */
  delete(name: string): boolean
  /** A name's addresses; `undefined` for a name that was not set. */
  get(name: string): readonly string[] | undefined
  /** Names, relative and in lower case, with their addresses. */
  entries(): IterableIterator<[name: string, addresses: readonly string[]]>
  /** Every record that was set, spelled as in a zone file; names are whole, without a dot at their end. */
  records(): IterableIterator<DnsRecord>
}

/** A zone as its users see it. Each change is entered in the journal. */
export function openZone(data: ZoneData, journal: Journal): Zone {
  const put = (wire: Buffer, content: Content | undefined) => {
    const before = data.content(wire)
    data.put(wire, content)
    journal(
      () => data.put(wire, before),
      () => ({
        kind: 'zone',
        zone: data.cut.name,
        name: data.relative(wire),
        deleted: content === undefined,
      }),
    )
  }
  /** The content of a name that is about to get more records. */
  const contentBeside = (wire: Buffer): Content => {
    const content = data.content(wire) ?? noContent
    const target = aliasTarget(content)
    if (target === undefined) return content
    throw new DnsError(
      'CNAME_CONFLICT',
      `${textName(wire)} is a CNAME of ${textName(target)}: delete it first`,
    )
  }
  /** The content of a name that is about to become a CNAME: it can have none but another CNAME, which is replaced. */
  const contentForCname = (wire: Buffer): Content => {
    const content = data.content(wire) ?? noContent
    const others = content.addresses.length + content.records.length
    const isCname = aliasTarget(content) !== undefined
    if ((isCname || others === 0) && wire.length !== data.cut.wire.length) return noContent
    throw new DnsError(
      'CNAME_CONFLICT',
      `${textName(wire)} has other records; a CNAME stands alone (RFC 2181, 10.1)`,
    )
  }
  const setRecords = (name: string, typeText: string, inputs: readonly unknown[], ttl?: number) => {
    const type = settableType(typeText)
    const wire = data.own(name)
    const isCname = type.code === recordTypes.CNAME.code
    const before = isCname ? contentForCname(wire) : contentBeside(wire)
    const octets = unique(inputs.map((input) => type.data.write(input as never, type.name, resolve)))
    if (isCname && octets.length > 1) {
      throw new DnsError(
        'CNAME_CONFLICT',
        `${textName(wire)} would have ${octets.length} CNAMEs, 1 is the most`,
      )
    }
    checkSetSize(textName(wire), `${type.name} records`, octets.length, setSize(octets))
    const records: TypedRecords = {
      type: type.code,
      data: octets,
      hosts: type.host === undefined ? [] : unique(octets.map(type.host)),
      ttl: checked(ttl),
    }
    put(wire, { ...before, records: withRecords(before.records, records) })
  }
  const resolve = (name: string) => data.resolve(name)
  return {
    name: data.cut.name,
    set(name, texts, { ttl } = {}) {
      const wire = data.own(name)
      const before = contentBeside(wire)
      const addresses = distinct(texts.map(parseAddress))
      checkSetSize(textName(wire), 'addresses', addresses.length, 0)
      put(wire, { ...before, addresses, addressTtl: checked(ttl) })
    },
    setRecords: (name, type, records, { ttl } = {}) => setRecords(name, type, records, ttl),
    setText: (name, strings, { ttl } = {}) =>
      setRecords(name, 'TXT', strings.length === 0 ? [] : [strings], ttl),
    setSrv: (name, services, { ttl } = {}) => setRecords(name, 'SRV', services, ttl),
    setCname: (name, target, { ttl } = {}) => setRecords(name, 'CNAME', [target], ttl),
    delete(name) {
      const wire = data.own(name)
      if (data.content(wire) === undefined) return false
      put(wire, undefined)
      return true
    },
    get: (name) => data.content(data.own(name))?.addresses.map(({ text }) => text),
    *entries() {
      for (const [name, { addresses }] of data.contents()) yield [name, addresses.map(({ text }) => text)]
    },
    records: () => data.records(),
  }
}

function checked(ttl: number | undefined): number | undefined {
  return ttl === undefined ? undefined : checkTtl(ttl, 'INVALID_RECORD')
}

/** Replaces the records of one type. They stand in the order of their numbers, so that lists of them are stable. */
function withRecords(before: readonly TypedRecords[], records: TypedRecords): readonly TypedRecords[] {
  const others = before.filter(({ type }) => type !== records.type)
  return records.data.length === 0 ? others : [...others, records].sort((a, b) => a.type - b.type)
}

/** The same address twice would make two equal records, which RFC 2181, 5 forbids. */
function distinct(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map((address) => [address.text, address])).values()]
}

function unique(all: readonly Buffer[]): Buffer[] {
  return all.filter((octets, index) => all.findIndex((other) => other.equals(octets)) === index)
}

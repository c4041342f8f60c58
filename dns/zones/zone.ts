import { DnsError } from '../errors.ts'
import { type Address, parseAddress } from '../wire/address.ts'
import type { DnsRecord } from '../wire/decode-answer.ts'
import { textName } from '../wire/name.ts'
import { mostRecords, type ServiceTarget, serviceData, textData } from '../wire/record-set.ts'
import { checkTtl } from '../wire/ttl.ts'
import type { Journal } from './change.ts'
import { type Content, nothing, type ZoneData } from './zone-data.ts'

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
   * Gives a name its IPv4 and IPv6 addresses (RFC 1035, 3.4.1; RFC 3596), in place of those it had. None at all is a
   * name that exists without data.
   * @throws DnsError `INVALID_NAME`, `INVALID_ADDRESS`, `INVALID_RECORD`, `NOT_IN_ZONE`, `CNAME_CONFLICT`; nothing is
   * changed then
   */
  set(name: string, addresses: readonly string[], options?: RecordOptions): void
  /**
   * Gives a name one TXT record of these strings (RFC 1035, 3.3.14), of at most 255 octets each; none: takes it.
   * @throws DnsError as `set` does
   */
  setText(name: string, strings: readonly string[], options?: RecordOptions): void
  /**
   * Says where a service is to be had (RFC 2782), in place of what was said before; none: takes it. The addresses of
   * targets in zones of this server travel with the answer.
   * @param name such as `_postgres._tcp`
   * @throws DnsError as `set` does
   */
  setSrv(name: string, services: readonly ServiceTarget[], options?: RecordOptions): void
  /**
   * Makes a name another name for `target` (relative to the zone unless it ends in a dot), and nothing else.
   * @throws DnsError as `set` does
   */
  setCname(name: string, target: string, options?: RecordOptions): void
  /** Takes a name with all its records. Whether it was there. */
  delete(name: string): boolean
  /** A name's addresses; `undefined` for a name that nobody set. */
  get(name: string): readonly string[] | undefined
  /** Names, relative and in lower case, with their addresses. */
  entries(): IterableIterator<[name: string, addresses: readonly string[]]>
  /** Every record that was set, spelled as in a zone file; names are whole, without a dot at their end. */
  records(): IterableIterator<DnsRecord>
}

/** A zone as its users see it; the journal is told of each change. */
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
  /** What a name has besides the records that it is about to get. */
  const beside = (wire: Buffer): Content => {
    const before = data.content(wire) ?? nothing
    if (before.target === undefined) return before
    throw new DnsError(
      'CNAME_CONFLICT',
      `${textName(wire)} is a CNAME of ${textName(before.target)}: delete it first`,
    )
  }
  return {
    name: data.cut.name,
    set(name, addresses, { ttl } = {}) {
      const wire = data.own(name)
      const before = beside(wire)
      const known = distinct(wire, addresses)
      put(wire, { ...before, addresses: known, ttl: { ...before.ttl, addresses: checked(ttl) } })
    },
    setText(name, strings, { ttl } = {}) {
      const wire = data.own(name)
      const before = beside(wire)
      textData(strings)
      put(wire, { ...before, strings: [...strings], ttl: { ...before.ttl, strings: checked(ttl) } })
    },
    setSrv(name, services, { ttl } = {}) {
      const wire = data.own(name)
      const before = beside(wire)
      const targets = services.map(({ target }) => data.resolve(target))
      const all = services.map((service, index) => serviceData(service, targets[index] as Buffer))
      const records = within(wire, 'SRV records', unique(all))
      put(wire, {
        ...before,
        services: records,
        hosts: unique(targets),
        ttl: { ...before.ttl, services: checked(ttl) },
      })
    },
    setCname(name, target, { ttl } = {}) {
      const wire = data.own(name)
      const { addresses, strings, services } = data.content(wire) ?? nothing
      const others = addresses.length + strings.length + services.length
      if (others > 0 || wire.length === data.cut.wire.length) {
        throw new DnsError(
          'CNAME_CONFLICT',
          `${textName(wire)} has other records; a CNAME stands alone (RFC 2181, 10.1)`,
        )
      }
      put(wire, {
        ...nothing,
        target: data.resolve(target),
        ttl: { ...nothing.ttl, target: checked(ttl) },
      })
    },
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

/** An address given twice would make a record twice, which RFC 2181, 5 forbids. */
function distinct(wire: Buffer, addresses: readonly string[]): Address[] {
  const known = new Map(addresses.map(parseAddress).map((address) => [address.text, address]))
  return within(wire, 'addresses', [...known.values()])
}

function unique(all: readonly Buffer[]): Buffer[] {
  return all.filter((octets, index) => all.findIndex((other) => other.equals(octets)) === index)
}

function within<T>(wire: Buffer, what: string, records: T[]): T[] {
  if (records.length <= mostRecords) return records
  throw new DnsError(
    'INVALID_RECORD',
    `${textName(wire)} would have ${records.length} ${what}, ${mostRecords} is the most`,
  )
}

import { DnsError } from '../errors.ts'
import type { Address } from '../wire/address.ts'
import type { DnsRecord } from '../wire/decode-answer.ts'
import { textName, wireName } from '../wire/name.ts'
import { DataReader } from '../wire/record-data.ts'
import { type RecordSet, recordSet } from '../wire/record-set.ts'
import { dataText, recordTypes, typeName } from '../wire/record-types.ts'
import type { NameNode, NameTree } from './name-tree.ts'
import type { PtrRecords } from './ptr-records.ts'
import type { ZoneCut } from './zone-cut.ts'

/** The records of one type that a user gave to a name; there is one at least. */
export interface TypedRecords {
  readonly type: number
  /** In wire form, each different from the others. */
  readonly data: readonly Buffer[]
  /** Names in them whose addresses travel with them, in wire form. */
  readonly hosts: readonly Buffer[]
  /** Seconds, for all of them alike (RFC 2181, 5.2); unset, those of the zone. */
  readonly ttl: number | undefined
}

/** All that a user gave to a name; replaced as a whole, never changed. */
export interface Content {
  readonly addresses: readonly Address[]
  /** Seconds, for all addresses; unset, those of the zone. */
  readonly addressTtl: number | undefined
  /** Records that are no addresses, by the number of their type. */
  readonly records: readonly TypedRecords[]
}

export const noContent: Content = { addresses: [], addressTtl: undefined, records: [] }

/** The name that a name with this content is another name for, if it is a CNAME. */
export function aliasTarget({ records }: Content): Buffer | undefined {
  return records.find(({ type }) => type === recordTypes.CNAME.code)?.data[0]
}

/** The content of a zone, and the one way to change it. */
export class ZoneData {
  readonly cut: ZoneCut
  readonly #names: NameTree
  readonly #ptrRecords: PtrRecords
  /** By name in wire form, as latin1 text. */
  readonly #contents = new Map<string, Content>()

  constructor(cut: ZoneCut, names: NameTree, ptrRecords: PtrRecords) {
    this.cut = cut
    this.#names = names
    this.#ptrRecords = ptrRecords
  }

  /** The wire form of a name as users of this zone write it. */
  resolve(name: string): Buffer {
    const { cut } = this
    if (typeof name !== 'string' || name === '') throw new DnsError('INVALID_NAME', 'a name may not be empty')
    const relative = cut.name === '.' ? name : `${name}.${cut.name}`
    return name === '@' ? cut.wire : wireName(name.endsWith('.') ? name : relative)
  }

  /** The same, for a name that is to have records here. */
  own(name: string): Buffer {
    const wire = this.resolve(name)
    const zone = this.#names.zoneOf(wire)
    if (zone !== this.cut) {
      const where = zone === undefined ? 'in no zone of this server' : `in the zone ${zone.name}`
      throw new DnsError('NOT_IN_ZONE', `${textName(wire)} is ${where}, not in ${this.cut.name}`)
    }
    return wire
  }

  content(wire: Buffer): Content | undefined {
    return this.#contents.get(wire.toString('latin1'))
  }

  *contents(): IterableIterator<[name: string, content: Content]> {
    for (const [key, content] of this.#contents) yield [this.relative(Buffer.from(key, 'latin1')), content]
  }

  /** Replaces the content of a name; `undefined` deletes the name. The caller has checked everything. */
  put(wire: Buffer, content: Content | undefined): void {
    const key = wire.toString('latin1')
    const before = this.#contents.get(key)
    if (content === undefined) this.#contents.delete(key)
    else this.#contents.set(key, content)
    this.#names.serial = (this.#names.serial + 1) >>> 0 || 1
    this.#names.forget(wire)
    if (content !== undefined) this.#fill(this.#names.name(wire, this.cut), content)
    else {
      const node = this.#names.get(wire)
      if (node !== undefined) this.#names.clear(node)
    }
    // Addresses that stay are not touched, so that the first name of an address stays its first.
    const removed = without(before?.addresses, content?.addresses)
    const added = without(content?.addresses, before?.addresses)
    for (const address of removed) this.#ptrRecords.remove(address, wire)
    for (const address of added) this.#ptrRecords.add(address, wire)
  }

  #fill(node: NameNode, content: Content): void {
    const { addresses, addressTtl = this.cut.ttl, records } = content
    const octets = (length: number) =>
      addresses.map((address) => address.octets).filter((address) => address.length === length)
    node.a = recordSet(recordTypes.A.code, addressTtl, octets(4))
    node.aaaa = recordSet(recordTypes.AAAA.code, addressTtl, octets(16))
    node.cname = undefined
    node.target = aliasTarget(content)
    const others: RecordSet[] = []
    for (const { type, data, hosts, ttl = this.cut.ttl } of records) {
      const set = recordSet(type, ttl, data, hosts)
      if (type === recordTypes.CNAME.code) node.cname = set
      else if (set !== undefined) others.push(set)
    }
    node.others = others.length === 0 ? noSets : others
  }

  /** A name of the zone as it is written in it. */
  relative(wire: Buffer): string {
    if (wire.length === this.cut.wire.length) return '@'
    return textName(Buffer.concat([wire.subarray(0, wire.length - this.cut.wire.length), Buffer.of(0)]))
  }

  /** Every record that a user set, spelled as in a zone file. */
  *records(): IterableIterator<DnsRecord> {
    for (const [key, { addresses, addressTtl = this.cut.ttl, records }] of this.#contents) {
      const name = textName(Buffer.from(key, 'latin1'))
      for (const { text, octets } of addresses) {
        yield { name, type: octets.length === 4 ? 'A' : 'AAAA', ttl: addressTtl, data: text }
      }
      for (const { type, data, ttl = this.cut.ttl } of records) {
        for (const octets of data) {
          yield { name, type: typeName(type), ttl, data: dataText(type, new DataReader(octets)) }
        }
      }
    }
  }
}

const noSets: readonly RecordSet[] = []

function without(all: readonly Address[] = [], those: readonly Address[] = []): readonly Address[] {
  return all.filter(({ text }) => !those.some((other) => other.text === text))
}

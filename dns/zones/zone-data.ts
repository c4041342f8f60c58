import { DnsError } from '../errors.ts'
import type { Address } from '../wire/address.ts'
import type { DnsRecord } from '../wire/decode-answer.ts'
import { textName, wireName } from '../wire/name.ts'
import { recordType } from '../wire/rcodes.ts'
import { recordSet, textData } from '../wire/record-set.ts'
import type { NameNode, Names, ZoneCut } from './name-tree.ts'
import type { ReverseNames } from './ptr-records.ts'

/** What somebody said about a name; replaced as a whole, never changed. */
export interface Content {
  readonly addresses: readonly Address[]
  readonly strings: readonly string[]
  /** SRV records: their data in wire form, and the names in them. */
  readonly services: readonly Buffer[]
  readonly hosts: readonly Buffer[]
  /** Of a CNAME. */
  readonly target: Buffer | undefined
  /** Seconds, for all records of a type alike (RFC 2181, 5.2); where nobody said, the zone's count. */
  readonly ttl: Readonly<Record<Part, number | undefined>>
}

type Part = 'addresses' | 'strings' | 'services' | 'target'

export const nothing: Content = {
  addresses: [],
  strings: [],
  services: [],
  hosts: [],
  target: undefined,
  ttl: { addresses: undefined, strings: undefined, services: undefined, target: undefined },
}

/** What a zone holds, and the one way to change it. */
export class ZoneData {
  readonly cut: ZoneCut
  readonly #names: Names
  readonly #reverse: ReverseNames
  /** By name in wire form, as latin1 text. */
  readonly #contents = new Map<string, Content>()

  constructor(cut: ZoneCut, names: Names, reverse: ReverseNames) {
    this.cut = cut
    this.#names = names
    this.#reverse = reverse
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

  /** Replaces what a name has; `undefined` takes the name. The caller has checked everything. */
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
    // What stays is not touched, so that the first name of an address stays its first.
    const gone = without(before?.addresses, content?.addresses)
    const come = without(content?.addresses, before?.addresses)
    for (const address of gone) this.#reverse.remove(address, wire)
    for (const address of come) this.#reverse.add(address, wire)
  }

  #fill(node: NameNode, { addresses, strings, services, hosts, target, ttl }: Content): void {
    const zone = this.cut.ttl
    const octets = (length: number) =>
      addresses.map((address) => address.octets).filter((address) => address.length === length)
    node.a = recordSet(recordType.A, ttl.addresses ?? zone, octets(4))
    node.aaaa = recordSet(recordType.AAAA, ttl.addresses ?? zone, octets(16))
    const text = strings.length === 0 ? [] : [textData(strings)]
    node.text = recordSet(recordType.TXT, ttl.strings ?? zone, text)
    node.srv = recordSet(recordType.SRV, ttl.services ?? zone, services)
    node.hosts = hosts
    node.cname = recordSet(recordType.CNAME, ttl.target ?? zone, target === undefined ? [] : [target])
    node.target = target
  }

  /** A name of the zone as it is written in it. */
  relative(wire: Buffer): string {
    if (wire.length === this.cut.wire.length) return '@'
    return textName(Buffer.concat([wire.subarray(0, wire.length - this.cut.wire.length), Buffer.of(0)]))
  }

  /** Every record that somebody set, spelled as in a zone file. */
  *records(): IterableIterator<DnsRecord> {
    for (const [key, { addresses, strings, services, target, ttl }] of this.#contents) {
      const name = textName(Buffer.from(key, 'latin1'))
      const seconds = (part: Part) => ttl[part] ?? this.cut.ttl
      for (const { text, octets } of addresses) {
        yield { name, type: octets.length === 4 ? 'A' : 'AAAA', ttl: seconds('addresses'), data: text }
      }
      if (strings.length > 0) {
        const data = strings.map((text) => JSON.stringify(text)).join(' ')
        yield { name, type: 'TXT', ttl: seconds('strings'), data }
      }
      for (const service of services) {
        const numbers = [0, 2, 4].map((at) => service.readUInt16BE(at)).join(' ')
        yield { name, type: 'SRV', ttl: seconds('services'), data: `${numbers} ${textName(service, 6)}` }
      }
      if (target !== undefined) yield { name, type: 'CNAME', ttl: seconds('target'), data: textName(target) }
    }
  }
}

function without(all: readonly Address[] = [], those: readonly Address[] = []): readonly Address[] {
  return all.filter(({ text }) => !those.some((other) => other.text === text))
}

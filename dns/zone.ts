import { type Address, parseAddress } from './address.ts'
import { recordType } from './codes.ts'
import { DnsError } from './errors.ts'
import { textName, wireName } from './name.ts'
import type { NameNode, Names, ZoneCut } from './names.ts'
import { mostRecords, recordSet, textData } from './record-set.ts'
import type { ReverseNames } from './reverse-names.ts'

/**
 * The names of a zone. Names are relative to it unless they end in a dot; `@` is the zone itself. Case does not matter.
 * A change is complete when the call returns: the next query sees it.
 */
export interface Zone {
  /** The zone's own name, without a dot at its end. */
  readonly name: string
  /**
   * Gives a name its IPv4 and IPv6 addresses, in place of those it had. None at all is a name that exists without data.
   * @throws DnsError `INVALID_NAME`, `INVALID_ADDRESS`, `NOT_IN_ZONE`, `CNAME_CONFLICT`; nothing is changed then
   */
  set(name: string, addresses: readonly string[]): void
  /** Gives a name one TXT record of these strings, of at most 255 octets each; none: takes it. */
  setText(name: string, strings: readonly string[]): void
  /** Makes a name another name for `target` (relative to the zone unless it ends in a dot), and nothing else. */
  setCname(name: string, target: string): void
  /** Takes a name with all its records. Whether it was there. */
  delete(name: string): boolean
  /** A name's addresses. */
  get(name: string): readonly string[] | undefined
  /** Names, relative and in lower case, with their addresses. */
  entries(): IterableIterator<[name: string, addresses: readonly string[]]>
}

/** What somebody said about a name; replaced as a whole, never changed. */
interface Content {
  readonly addresses: readonly Address[]
  readonly strings: readonly string[]
  readonly target: Buffer | undefined
}

const nothing: Content = { addresses: [], strings: [], target: undefined }

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

  *contents(): IterableIterator<[string, Content]> {
    for (const [key, content] of this.#contents) yield [this.#relative(Buffer.from(key, 'latin1')), content]
  }

  /** Replaces what a name has; `undefined` takes the name. The caller has checked everything. */
  put(wire: Buffer, content: Content | undefined): void {
    const key = wire.toString('latin1')
    const before = this.#contents.get(key)
    if (content === undefined) this.#contents.delete(key)
    else this.#contents.set(key, content)
    this.#names.serial = (this.#names.serial + 1) >>> 0 || 1
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

  #fill(node: NameNode, { addresses, strings, target }: Content): void {
    const { ttl } = this.cut
    const octets = (length: number) =>
      addresses.map((address) => address.octets).filter((address) => address.length === length)
    node.a = recordSet(recordType.A, ttl, octets(4))
    node.aaaa = recordSet(recordType.AAAA, ttl, octets(16))
    node.text = strings.length === 0 ? undefined : recordSet(recordType.TXT, ttl, [textData(strings)])
    node.cname = target === undefined ? undefined : recordSet(recordType.CNAME, ttl, [target])
    node.target = target
  }

  #relative(wire: Buffer): string {
    if (wire.length === this.cut.wire.length) return '@'
    return textName(Buffer.concat([wire.subarray(0, wire.length - this.cut.wire.length), Buffer.of(0)]))
  }
}

function without(all: readonly Address[] = [], those: readonly Address[] = []): readonly Address[] {
  return all.filter(({ text }) => !those.some((other) => other.text === text))
}

/** Is told how to take a change back, for `update()`. */
export type Journal = (undo: () => void) => void

/** A zone as its users see it; with a journal, each change can be taken back. */
export function openZone(data: ZoneData, journal?: Journal): Zone {
  const put = (wire: Buffer, content: Content | undefined) => {
    const before = data.content(wire)
    data.put(wire, content)
    journal?.(() => data.put(wire, before))
  }
  return {
    name: data.cut.name,
    set(name, addresses) {
      const wire = data.own(name)
      const before = data.content(wire) ?? nothing
      refuseCname(wire, before)
      put(wire, { ...before, addresses: distinct(wire, addresses) })
    },
    setText(name, strings) {
      const wire = data.own(name)
      const before = data.content(wire) ?? nothing
      refuseCname(wire, before)
      textData(strings)
      put(wire, { ...before, strings: [...strings] })
    },
    setCname(name, target) {
      const wire = data.own(name)
      const { addresses, strings } = data.content(wire) ?? nothing
      if (addresses.length + strings.length > 0 || wire.length === data.cut.wire.length) {
        throw new DnsError(
          'CNAME_CONFLICT',
          `${textName(wire)} has other records; a CNAME stands alone (RFC 2181, 10.1)`,
        )
      }
      put(wire, { ...nothing, target: data.resolve(target) })
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
  }
}

function refuseCname(wire: Buffer, { target }: Content): void {
  if (target === undefined) return
  throw new DnsError('CNAME_CONFLICT', `${textName(wire)} is a CNAME of ${textName(target)}: delete it first`)
}

/** An address given twice would make a record twice, which RFC 2181, 5 forbids. */
function distinct(wire: Buffer, addresses: readonly string[]): Address[] {
  const known = new Map(addresses.map(parseAddress).map((address) => [address.text, address]))
  if (known.size <= mostRecords) return [...known.values()]
  throw new DnsError(
    'INVALID_RECORD',
    `${textName(wire)} would have ${known.size} addresses, ${mostRecords} is the most`,
  )
}

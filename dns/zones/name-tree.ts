import { ReadyAnswers } from '../wire/kept-replies.ts'
import { hashName, longestName } from '../wire/name.ts'
import { NameTable } from '../wire/name-map.ts'
import { recordType } from '../wire/rcodes.ts'
import type { RecordSet } from '../wire/record-set.ts'

/**
 * `primary`: a zone that the user fills. `reverse`: PTR records, derived. `localhost`: every name in it is this machine
 * (RFC 6761, 6.3). `nothing`: no name in it exists (RFC 6761, 6.4; RFC 7686).
 */
export type ZoneKind = 'primary' | 'reverse' | 'localhost' | 'nothing'

/** A zone that is answered here. */
export interface ZoneCut {
  readonly name: string
  readonly wire: Buffer
  readonly kind: ZoneKind
  readonly ttl: number
}

const none: readonly Buffer[] = []

/** A name that exists: it has records, or a name below it has (an empty non-terminal, RFC 4592, 2.2.2). */
export class NameNode {
  readonly wire: Buffer
  readonly zone: ZoneCut
  /** The node right above it, in the same zone; how many there are right below it. */
  above: NameNode | undefined = undefined
  children = 0
  /** Exists by itself, not only for what is below it. */
  named = false
  a: RecordSet | undefined = undefined
  aaaa: RecordSet | undefined = undefined
  ptr: RecordSet | undefined = undefined
  text: RecordSet | undefined = undefined
  srv: RecordSet | undefined = undefined
  /** The names that `srv` points to, in wire form. */
  hosts: readonly Buffer[] = none
  cname: RecordSet | undefined = undefined
  /** Where `cname` points to, in wire form. */
  target: Buffer | undefined = undefined

  constructor(wire: Buffer, zone: ZoneCut) {
    this.wire = wire
    this.zone = zone
  }
}

/** What clients ask for by the hundred thousand. */
export const readyTypes: readonly number[] = [recordType.A, recordType.AAAA, recordType.PTR]

/** All names of all zones in one table: what exists is found by one lookup, whatever zone it is in. */
export class Names {
  readonly #nodes = new NameTable<NameNode>()
  readonly #zones = new NameTable<ZoneCut>()
  /** Counts changes; the serial of every zone's SOA (RFC 1982 arithmetic needs it never zero). */
  serial = 1
  /** What was answered before, of the types in `readyTypes`. */
  readonly ready = new ReadyAnswers()

  /** A zone within another comes after it. */
  addZone(zone: ZoneCut): void {
    const outer = zone.wire.length > 1 ? this.zoneOf(parent(zone.wire)) : undefined
    this.#zones.set(zone.wire, zone)
    if (zone.kind === 'nothing') return
    // The names between an outer zone's top and this one exist in the outer zone: NODATA there, not NXDOMAIN.
    if (outer !== undefined && outer.kind !== 'nothing') this.#climb(parent(zone.wire), 0, outer).children++
    const top = new NameNode(zone.wire, zone)
    top.named = true
    this.#nodes.set(zone.wire, top)
  }

  find(octets: Uint8Array, start: number, length: number, hash: number): NameNode | undefined {
    return this.#nodes.find(octets, start, length, hash)
  }

  get(wire: Buffer): NameNode | undefined {
    return this.#nodes.get(wire)
  }

  /** The zone that a name is in: the longest of ours that it ends with (RFC 1034, 4.3.2). */
  zoneOf(octets: Uint8Array, start = 0, length = octets.length): ZoneCut | undefined {
    const end = start + length
    for (let at = start; at < end; at += (octets[at] as number) + 1) {
      const zone = this.#zones.find(octets, at, end - at, hashName(octets, at, end))
      if (zone !== undefined) return zone
    }
    return undefined
  }

  /** Has to be called when the records of a name change, before the next query. */
  forget(wire: Buffer): void {
    this.ready.forget(wire, hashName(wire, 0, wire.length), readyTypes)
  }

  /** The node of a name, made with those above it if it is new. */
  name(wire: Buffer, zone: ZoneCut): NameNode {
    const node = this.#climb(wire, 0, zone)
    node.named = true
    return node
  }

  /** Takes the records of a name; the nodes that only existed for it go with it. */
  clear(node: NameNode): void {
    node.a = node.aaaa = node.ptr = node.text = node.srv = node.cname = undefined
    node.target = undefined
    node.hosts = none
    if (node.wire.length !== node.zone.wire.length) node.named = false
    let gone: NameNode | undefined = node
    while (gone !== undefined && !gone.named && gone.children === 0) {
      this.#nodes.delete(gone.wire)
      gone = gone.above
      if (gone !== undefined) gone.children--
    }
  }

  /** The node of the name that begins at `start` of another. */
  #climb(wire: Buffer, start: number, zone: ZoneCut): NameNode {
    const length = wire.length - start
    const found = this.#nodes.find(wire, start, length, hashName(wire, start, wire.length))
    if (found !== undefined) return found
    // Not a part of the other's octets, which would be kept for it.
    const own = start === 0 ? wire : Buffer.alloc(length)
    if (start !== 0) wire.copy(own, 0, start)
    const node = new NameNode(own, zone)
    this.#nodes.set(own, node)
    if (length > zone.wire.length) {
      node.above = this.#climb(wire, start + (wire[start] as number) + 1, zone)
      node.above.children++
    }
    return node
  }
}

/** The name without its first label. */
export function parent(wire: Buffer): Buffer {
  return wire.subarray((wire[0] ?? longestName) + 1)
}

import { KeptReplies } from '../wire/kept-replies.ts'
import { hashName, longestName } from '../wire/name.ts'
import { NameMap } from '../wire/name-map.ts'
import type { RecordSet } from '../wire/record-set.ts'
import { recordTypes } from '../wire/record-types.ts'
import type { ZoneCut } from './zone-cut.ts'

const none: readonly RecordSet[] = []

/** A name that exists: it, or a name below it, has records (an empty non-terminal, RFC 4592, 2.2.2). */
export class NameNode {
  readonly wire: Buffer
  readonly zone: ZoneCut
  /** The node right above it, in the same zone, and the number of nodes right below it. */
  above: NameNode | undefined = undefined
  children = 0
  /** True if it exists by itself, not only because of a name below it. */
  named = false
  a: RecordSet | undefined = undefined
  aaaa: RecordSet | undefined = undefined
  ptr: RecordSet | undefined = undefined
  cname: RecordSet | undefined = undefined
  /** The name that `cname` points to, in wire form. */
  target: Buffer | undefined = undefined
  /** Its records of all other types. */
  others: readonly RecordSet[] = none

  constructor(wire: Buffer, zone: ZoneCut) {
    this.wire = wire
    this.zone = zone
  }

  /** Its records of a type. */
  recordsOf(type: number): RecordSet | undefined {
    switch (type) {
      case recordTypes.A.code:
        return this.a
      case recordTypes.AAAA.code:
        return this.aaaa
      case recordTypes.PTR.code:
        return this.ptr
      case recordTypes.CNAME.code:
        return this.cname
      default:
        for (const set of this.others) if (set.type === type) return set
        return undefined
    }
  }
}

/** The types that clients ask for by the hundred thousand. */
export const keptTypes: readonly number[] = [recordTypes.A.code, recordTypes.AAAA.code, recordTypes.PTR.code]

/** All names of all zones, in one map: a name that exists is found by one lookup, whatever zone it is in. */
export class NameTree {
  readonly #nodes = new NameMap<NameNode>()
  readonly #zones = new NameMap<ZoneCut>()
  /** The number of changes: the serial of every zone's SOA (never zero, for RFC 1982 arithmetic). */
  serial = 1
  /** Replies that were sent before, of the types in `keptTypes`. */
  readonly kept = new KeptReplies()

  /** Adds a zone. One that lies within another has to be added after it. */
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

  /** Forgets the kept replies of a name. Has to be called when its records change, before the next query. */
  forget(wire: Buffer): void {
    this.kept.forget(wire, hashName(wire, 0, wire.length), keptTypes)
  }

  /** Returns the node of a name. A new one is created with the nodes above it. */
  name(wire: Buffer, zone: ZoneCut): NameNode {
    const node = this.#climb(wire, 0, zone)
    node.named = true
    return node
  }

  /** Removes the records of a name, and the nodes that only existed because of it. */
  clear(node: NameNode): void {
    node.a = node.aaaa = node.ptr = node.cname = undefined
    node.target = undefined
    node.others = none
    if (node.wire.length !== node.zone.wire.length) node.named = false
    let unused: NameNode | undefined = node
    while (unused !== undefined && !unused.named && unused.children === 0) {
      this.#nodes.delete(unused.wire)
      unused = unused.above
      if (unused !== undefined) unused.children--
    }
  }

  /** Returns the node of the name that begins at `start` of another. Creates it, and those above it, if it is new. */
  #climb(wire: Buffer, start: number, zone: ZoneCut): NameNode {
    const length = wire.length - start
    const found = this.#nodes.find(wire, start, length, hashName(wire, start, wire.length))
    if (found !== undefined) return found
    // A copy: a part of the longer name would keep that in memory.
    const name = start === 0 ? wire : Buffer.alloc(length)
    if (start !== 0) wire.copy(name, 0, start)
    const node = new NameNode(name, zone)
    this.#nodes.set(name, node)
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

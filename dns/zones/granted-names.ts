import { NameMap } from '../wire/name-map.ts'
import { type RecordSet, recordHead } from '../wire/record-set.ts'
import { NameNode, type NameTree, parent } from './name-tree.ts'

/** The names that a restricted view may see: `named` with their records, `above` only as parents of such names. */
export type GrantedNames = NameMap<'named' | 'above'>

/** @param wires names of zones, in wire form. Their parents, up to the zone's top, exist too (RFC 8020). */
export function grantNames(wires: readonly Buffer[], names: NameTree): GrantedNames {
  const granted: GrantedNames = new NameMap()
  for (const wire of wires) {
    granted.set(wire, 'named')
    const top = names.zoneOf(wire)?.wire.length ?? wire.length
    for (let above = wire; above.length > top; ) {
      above = parent(above)
      if (granted.get(above) === undefined) granted.set(above, 'above')
    }
  }
  return granted
}

/**
 * The node of a name as a restricted view sees it; `undefined` if the name does not exist for it. A name that the view
 * was granted, or that is above one, exists without data until it gets records.
 */
export function asSeen(node: NameNode, granted: GrantedNames): NameNode | undefined {
  if (node.zone.kind === 'localhost') return node
  if (node.zone.kind === 'reverse') return reverseAsSeen(node, granted)
  const grant = granted.get(node.wire)
  if (grant === 'named') return withoutHidden(node, granted)
  // The top of a zone always exists: its SOA is in every negative answer.
  if (grant === 'above' || node.wire.length === node.zone.wire.length) return bare(node)
  return undefined
}

function bare(node: NameNode): NameNode {
  return new NameNode(node.wire, node.zone)
}

/** The addresses of hosts that the view may not see do not travel with the records that name them, such as SRV. */
function withoutHidden(node: NameNode, granted: GrantedNames): NameNode {
  if (node.others.every(hasNoHosts)) return node
  const others = node.others.map((set) => ({
    ...set,
    hosts: set.hosts.filter((host) => granted.get(host) === 'named'),
  }))
  return Object.assign(bare(node), node, { others })
}

function hasNoHosts({ hosts }: RecordSet): boolean {
  return hosts.length === 0
}

/** An address has only the names that the view was granted. Without any, its reverse name does not exist. */
function reverseAsSeen(node: NameNode, granted: GrantedNames): NameNode | undefined {
  if (node.ptr === undefined) return node
  const seen = bare(node)
  seen.ptr = namesSeen(node.ptr, granted)
  return seen.ptr === undefined && node.children === 0 ? undefined : seen
}

function namesSeen(set: RecordSet, granted: GrantedNames): RecordSet | undefined {
  const kept: Buffer[] = []
  for (let start = 0; start < set.wire.length; ) {
    const data = start + 2 + recordHead
    const end = data + set.wire.readUInt16BE(start + recordHead)
    const name = set.wire.subarray(data, end)
    if (granted.get(name) === 'named' || isLocalhost(name)) kept.push(set.wire.subarray(start, end))
    start = end
  }
  if (kept.length === 0) return undefined
  return { type: set.type, count: kept.length, wire: Buffer.concat(kept), hosts: set.hosts }
}

function isLocalhost(name: Buffer): boolean {
  return name.equals(localhost)
}
const localhost = Buffer.from('\x09localhost\x00', 'latin1')

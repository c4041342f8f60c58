import { DnsError } from '../errors.ts'
import { textName, wireName } from '../wire/name.ts'
import { recordSet } from '../wire/record-set.ts'
import { recordTypes } from '../wire/record-types.ts'
import { NameTree } from './name-tree.ts'
import { PtrRecords } from './ptr-records.ts'
import { reverseZones } from './reverse-zones.ts'
import type { ZoneCut, ZoneKind } from './zone-cut.ts'
import { ZoneData } from './zone-data.ts'

/** The zones of a server, with the names that every resolver should answer by itself. */
export interface Zones {
  readonly names: NameTree
  /** The zones that the user fills, by name. Aliases are relative to the first. */
  readonly primary: ReadonlyMap<string, ZoneData>
  readonly first: ZoneData
}

/** RFC 6761, 6.2 to 6.4; RFC 6303, 4.2 and 4.3; RFC 7686, 2. */
const special: readonly [name: string, kind: ZoneKind][] = [
  ['localhost', 'localhost'],
  ['127.in-addr.arpa', 'reverse'],
  [`1${'.0'.repeat(31)}.ip6.arpa`, 'reverse'],
  ['invalid', 'nothing'],
  ['test', 'nothing'],
  ['onion', 'nothing'],
]

/**
 * @param routed domains that have upstreams of their own: none of these is added as a special zone
 * @throws DnsError `INVALID_OPTION`, `INVALID_NAME`, `INVALID_ADDRESS`
 */
export function createZones(
  primary: readonly string[],
  reverse: readonly string[],
  ttl: number,
  routed: readonly string[] = [],
): Zones {
  const cuts = new Map<string, ZoneCut>()
  const add = (name: string, kind: ZoneKind) => {
    const wire = wireName(name)
    const key = textName(wire)
    if (!cuts.has(key)) cuts.set(key, { name: key, wire, kind, ttl })
    return key
  }
  const primaryNames = primary.map((name) => add(name, 'primary'))
  for (const name of reverse.flatMap(reverseZones)) add(name, 'reverse')
  const routedNames = new Set(routed.map((name) => textName(wireName(name))))
  for (const [name, kind] of special) if (!routedNames.has(name)) add(name, kind)

  const names = new NameTree()
  // A zone within another comes after it.
  for (const cut of [...cuts.values()].sort((a, b) => a.wire.length - b.wire.length)) names.addZone(cut)
  const ptrRecords = new PtrRecords(names)
  const data = new Map(
    primaryNames.map((key) => [key, new ZoneData(cuts.get(key) as ZoneCut, names, ptrRecords)]),
  )
  const [first] = data.values()
  if (first === undefined) throw new DnsError('INVALID_OPTION', 'zones: a server needs at least one zone')
  addLocalhost(names, ttl)
  return { names, primary: data, first }
}

/** Adds the names of this machine, except in a zone that the user has taken over. */
function addLocalhost(names: NameTree, ttl: number): void {
  const localhost = wireName('localhost')
  const top = names.get(localhost)
  if (top?.zone.kind === 'localhost') {
    top.a = recordSet(recordTypes.A.code, ttl, [Buffer.of(127, 0, 0, 1)])
    top.aaaa = recordSet(recordTypes.AAAA.code, ttl, [Buffer.concat([Buffer.alloc(15), Buffer.of(1)])])
  }
  for (const name of ['1.0.0.127.in-addr.arpa', `1${'.0'.repeat(31)}.ip6.arpa`]) {
    const wire = wireName(name)
    const zone = names.zoneOf(wire)
    if (zone?.kind === 'reverse')
      names.name(wire, zone).ptr = recordSet(recordTypes.PTR.code, ttl, [localhost])
  }
}

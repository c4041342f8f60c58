import { DnsError } from '../errors.ts'
import { hashName, textName, wireName } from '../wire/name.ts'
import { NameMap } from '../wire/name-map.ts'
import { type GrantedNames, grantNames } from './granted-names.ts'
import { type NameTree, parent } from './name-tree.ts'
import type { ZoneData } from './zone-data.ts'

/** Alias -> the name that it stands for: relative to the first zone unless it ends in a dot. */
export type Aliases = Readonly<Record<string, string>>

/** The restrictions of a view. */
export interface ViewOptions {
  /**
   * The only names of the zones that this client can resolve besides its aliases, relative to the first zone unless
   * they end in a dot. Any other name of the zones does not exist for it: NXDOMAIN, so that resolvers stop there, and
   * reverse names say these names alone. Unset: all of them.
   */
  readonly only?: readonly string[]
  /**
   * True if this client may resolve names that upstreams are asked for. If not, they are REFUSED (RFC 8914:
   * Prohibited).
   * @defaultValue true
   */
  readonly outside?: boolean
}

/**
 * The name that an alias stands for. It is looked up at each query, so that the alias follows it to other addresses.
 */
export interface Alias {
  readonly target: Buffer
  readonly hash: number
}

export interface View {
  readonly aliases: Aliases
  readonly table: NameMap<Alias>
  /** The names between an alias of one label and an alias below it: they exist without data (RFC 8020). */
  readonly between: NameMap<true>
  /** The names of the zones that the client can see; `undefined` for all. */
  readonly granted: GrantedNames | undefined
  /** True if upstreams are asked for this client. */
  readonly outside: boolean
}

/** Creates a view from its user's input. @throws DnsError `INVALID_NAME`, `NOT_IN_ZONE` */
export function createView(
  aliases: Aliases,
  { only, outside = true }: ViewOptions,
  names: NameTree,
  first: ZoneData,
): View {
  const table = new NameMap<Alias>()
  const wires: Buffer[] = []
  const spelled: Record<string, string> = {}
  const inZone = (name: string, purpose: string): Buffer => {
    const wire = first.resolve(name)
    if (names.zoneOf(wire)?.kind === 'primary') return wire
    throw new DnsError('NOT_IN_ZONE', `${purpose} ${textName(wire)}, which is in no zone of this server`)
  }
  for (const [alias, name] of Object.entries(aliases)) {
    const wire = wireName(alias)
    if (/(^|\.)localhost\.?$/i.test(alias)) {
      throw new DnsError('INVALID_NAME', `the alias "${alias}" is always this machine (RFC 6761, 6.3)`)
    }
    if (table.get(wire) !== undefined) {
      throw new DnsError('INVALID_NAME', `the alias "${alias}" is given twice, in different case`)
    }
    const target = inZone(name, `the alias "${alias}" stands for`)
    table.set(wire, { target, hash: hashName(target, 0, target.length) })
    wires.push(wire)
    spelled[textName(wire)] = name
  }
  const granted = only?.map((name) => inZone(name, 'a view is granted'))
  return {
    aliases: Object.freeze(spelled),
    table,
    between: namesBetween(table, wires),
    granted: granted === undefined ? undefined : grantNames(granted, names),
    outside,
  }
}

/** Lists the names that lie above an alias and below one of one label, and are no aliases themselves. */
function namesBetween(table: NameMap<Alias>, aliases: readonly Buffer[]): NameMap<true> {
  const between = new NameMap<true>()
  for (const alias of aliases) {
    const above: Buffer[] = []
    let name = parent(alias)
    for (; name.length > 1 && !isOneLabel(name); name = parent(name)) above.push(name)
    if (name.length === 1 || table.get(name) === undefined) continue
    for (const each of above) if (table.get(each) === undefined) between.set(Buffer.from(each), true)
  }
  return between
}

function isOneLabel(wire: Buffer): boolean {
  return wire.length === (wire[0] as number) + 2
}

import { DnsError } from '../errors.ts'
import { hashName, textName, wireName } from '../wire/name.ts'
import { NameTable } from '../wire/name-map.ts'
import { parseSubnet, type Subnet } from '../wire/subnet.ts'
import type { Journal } from './change.ts'
import { type Granted, grantNames } from './granted-names.ts'
import type { Names } from './name-tree.ts'
import type { ViewTable } from './view-table.ts'
import type { ZoneData } from './zone-data.ts'

/** Alias -> the name that it stands for: relative to the first zone unless it ends in a dot. */
export type Aliases = Readonly<Record<string, string>>

/** What a view keeps from its client. */
export interface ViewOptions {
  /**
   * The only names of the zones that this client can resolve besides its aliases, relative to the first zone unless
   * they end in a dot. Any other name of the zones does not exist for it: NXDOMAIN, so that resolvers stop there, and
   * reverse names say these names alone. Unset: all of them.
   */
  readonly only?: readonly string[]
  /**
   * Whether this client may resolve what is asked elsewhere; else that is REFUSED (RFC 8914: Prohibited).
   * @defaultValue true
   */
  readonly outside?: boolean
}

/**
 * What clients see besides the zones, by their source address or by its subnet: a client's own view goes before that of
 * its subnet, a smaller subnet before a larger one, and views do not add up. An alias is any host name, of the real
 * world too, and goes before everything else, for that client alone. A client without a view is an unknown one.
 */
export interface Views {
  /**
   * Gives a client its aliases, in place of those it had.
   * @param client an address, or a subnet such as `10.0.0.0/16` for all in it
   * @throws DnsError `INVALID_ADDRESS`, `INVALID_NAME`, `NOT_IN_ZONE`; nothing is changed then
   */
  set(client: string, aliases: Aliases, options?: ViewOptions): void
  /** Forgets what was set for exactly this client or subnet. Whether it was known. */
  delete(client: string): boolean
  /** What was set for exactly this client or subnet. */
  get(client: string): Aliases | undefined
  entries(): IterableIterator<[client: string, aliases: Aliases]>
}

/** What an alias stands for: found anew at each query, so that it follows its name to another address. */
export interface Alias {
  readonly target: Buffer
  readonly hash: number
}

export interface View {
  readonly aliases: Aliases
  readonly table: NameTable<Alias>
  /** The names of the zones that it can see; `undefined` is all. */
  readonly granted: Granted | undefined
  /** Whether what is asked elsewhere is asked for this client. */
  readonly outside: boolean
}

/** The views as their users see them; the journal is told of each change. */
export function openViews(views: ViewTable, names: Names, first: ZoneData, journal: Journal): Views {
  const put = (client: Subnet, view: View | undefined) => {
    const before = views.at(client)
    views.put(client, view)
    journal(
      () => views.put(client, before),
      () => ({ kind: 'view', client: client.text, deleted: view === undefined }),
    )
  }
  return {
    set(client, aliases, options = {}) {
      put(parseSubnet(client), viewOf(aliases, options, names, first))
    },
    delete(client) {
      const subnet = parseSubnet(client)
      if (views.at(subnet) === undefined) return false
      put(subnet, undefined)
      return true
    },
    get: (client) => views.at(parseSubnet(client))?.aliases,
    *entries() {
      for (const [client, { aliases }] of views.entries()) yield [client, aliases]
    },
  }
}

function viewOf(
  aliases: Aliases,
  { only, outside = true }: ViewOptions,
  names: Names,
  first: ZoneData,
): View {
  const table = new NameTable<Alias>()
  const spelled: Record<string, string> = {}
  const inZone = (name: string, what: string): Buffer => {
    const wire = first.resolve(name)
    if (names.zoneOf(wire)?.kind === 'primary') return wire
    throw new DnsError('NOT_IN_ZONE', `${what} ${textName(wire)}, which is in no zone of this server`)
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
    spelled[textName(wire)] = name
  }
  const granted = only?.map((name) => inZone(name, 'a view is granted'))
  return {
    aliases: Object.freeze(spelled),
    table,
    granted: granted === undefined ? undefined : grantNames(granted, names),
    outside,
  }
}

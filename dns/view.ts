import { parseAddress } from './address.ts'
import { DnsError } from './errors.ts'
import { hashName, textName, wireName } from './name.ts'
import { NameTable } from './name-table.ts'
import type { Names } from './names.ts'
import type { Journal, ZoneData } from './zone.ts'

/** Alias -> the name that it stands for: relative to the first zone unless it ends in a dot. */
export type Aliases = Readonly<Record<string, string>>

/**
 * What single clients see besides the zones, by their source address. An alias is any host name, of the real world too,
 * and goes before everything else, for that client alone. A client without a view is an unknown one.
 */
export interface Views {
  /**
   * Gives a client its aliases, in place of those it had.
   * @throws DnsError `INVALID_ADDRESS`, `INVALID_NAME`, `NOT_IN_ZONE`; nothing is changed then
   */
  set(clientAddress: string, aliases: Aliases): void
  /** Forgets a client. Whether it was known. */
  delete(clientAddress: string): boolean
  get(clientAddress: string): Aliases | undefined
  entries(): IterableIterator<[clientAddress: string, aliases: Aliases]>
}

/** What an alias stands for: found anew at each query, so that it follows its name to another address. */
export interface Alias {
  readonly target: Buffer
  readonly hash: number
}

export interface View {
  readonly aliases: Aliases
  readonly table: NameTable<Alias>
}

/** Views by client address, in canonical spelling. */
export type ViewMap = Map<string, View>

/** The views as their users see them; with a journal, each change can be taken back. */
export function openViews(map: ViewMap, names: Names, first: ZoneData, journal?: Journal): Views {
  const put = (client: string, view: View | undefined) => {
    const before = map.get(client)
    const apply = (now: View | undefined) => {
      if (now === undefined) map.delete(client)
      else map.set(client, now)
    }
    apply(view)
    journal?.(() => apply(before))
  }
  return {
    set(clientAddress, aliases) {
      put(parseAddress(clientAddress).text, viewOf(aliases, names, first))
    },
    delete(clientAddress) {
      const client = parseAddress(clientAddress).text
      if (!map.has(client)) return false
      put(client, undefined)
      return true
    },
    get: (clientAddress) => map.get(parseAddress(clientAddress).text)?.aliases,
    *entries() {
      for (const [client, { aliases }] of map) yield [client, aliases]
    },
  }
}

function viewOf(aliases: Aliases, names: Names, first: ZoneData): View {
  const table = new NameTable<Alias>()
  const spelled: Record<string, string> = {}
  for (const [alias, name] of Object.entries(aliases)) {
    const wire = wireName(alias)
    if (/(^|\.)localhost\.?$/i.test(alias)) {
      throw new DnsError('INVALID_NAME', `the alias "${alias}" is always this machine (RFC 6761, 6.3)`)
    }
    if (table.get(wire) !== undefined) {
      throw new DnsError('INVALID_NAME', `the alias "${alias}" is given twice, in different case`)
    }
    const target = first.resolve(name)
    if (names.zoneOf(target)?.kind !== 'primary') {
      throw new DnsError(
        'NOT_IN_ZONE',
        `the alias "${alias}" stands for ${textName(target)}, which is in no zone of this server`,
      )
    }
    table.set(wire, { target, hash: hashName(target, 0, target.length) })
    spelled[textName(wire)] = name
  }
  return { aliases: Object.freeze(spelled), table }
}

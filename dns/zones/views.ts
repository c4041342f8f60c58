import { parseSubnet, type Subnet } from '../wire/subnet.ts'
import type { Journal } from './change.ts'
import type { NameTree } from './name-tree.ts'
import { type Aliases, createView, type View, type ViewOptions } from './view.ts'
import type { ViewTable } from './view-table.ts'
import type { ZoneData } from './zone-data.ts'

/**
 * The views of clients, by source address or subnet: what they see besides the zones. A client's own view goes before
 * that of its subnet, a smaller subnet before a larger one, and views do not add up. An alias is any host name, of the
 * real world too, and goes before everything else, for that client alone. A client without a view is an unknown one.
 */
export interface Views {
  /**
   * Gives a client its aliases, in place of those it had.
   * @param client an address, or a subnet such as `10.0.0.0/16` for all in it
   * @throws DnsError `INVALID_ADDRESS`, `INVALID_NAME`, `NOT_IN_ZONE`; nothing is changed then
   */
  set(client: string, aliases: Aliases, options?: ViewOptions): void
  /** Deletes the view of exactly this client or subnet. @returns false if there was none */
  delete(client: string): boolean
  /** The aliases that were set for exactly this client or subnet. */
  get(client: string): Aliases | undefined
  entries(): IterableIterator<[client: string, aliases: Aliases]>
}

/** The views as their users see them. Each change is entered in the journal. */
export function openViews(views: ViewTable, names: NameTree, first: ZoneData, journal: Journal): Views {
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
      put(parseSubnet(client), createView(aliases, options, names, first))
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

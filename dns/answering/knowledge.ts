import type { Routes } from '../upstream/routes.ts'
import type { NameTree } from '../zones/name-tree.ts'
import type { ViewTable } from '../zones/view-table.ts'

/** Everything that a reply depends on, besides the query and its client. */
export interface Knowledge {
  readonly names: NameTree
  readonly views: ViewTable
  /** True if names that are not known here are asked elsewhere; `routes` tells which. */
  readonly recursion: boolean
  readonly routes: Pick<Routes, 'asks'>
  /** The zone, in wire form, whose names can be asked for by their first label alone; `undefined` for none. */
  readonly shortNames: Buffer | undefined
  /** Clients without a view see the zones, or are refused. */
  readonly unknownClients: 'zone' | 'refuse'
  /** The most that is sent over UDP, in octets. */
  readonly udpSize: number
  /** Seconds that replies may be kept. */
  readonly ttl: number
}

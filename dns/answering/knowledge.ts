import type { Routes } from '../upstream/routes.ts'
import type { NameTree } from '../zones/name-tree.ts'
import type { ViewTable } from '../zones/view-table.ts'

/** All that a reply depends on, besides the query and who asks. */
export interface Knowledge {
  readonly names: NameTree
  readonly views: ViewTable
  /** True if names that are not known here are asked elsewhere; `routes` tells which. */
  readonly recursion: boolean
  readonly routes: Pick<Routes, 'asks'>
  /** What clients without a view get. */
  readonly unknownClients: 'zone' | 'refuse'
  /** The most that is sent over UDP, in octets. */
  readonly udpSize: number
  /** Seconds that replies may be kept. */
  readonly ttl: number
}

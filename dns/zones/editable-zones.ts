import { DnsError } from '../errors.ts'
import type { Change, Journal } from './change.ts'
import { runUpdate, type Transaction } from './update.ts'
import type { ViewTable } from './view-table.ts'
import { openViews, type Views } from './views.ts'
import { openZone, type Zone } from './zone.ts'
import type { Zones } from './zones.ts'

/** The zones and views of a server, as its owner changes them. */
export interface EditableZones {
  /** The zones of the options, in their order, without a dot at their ends. */
  readonly zones: readonly string[]
  /** @throws DnsError `UNKNOWN_ZONE` for a name that is not among the zones of the options */
  zone(name: string): Zone
  /** The aliases of single clients, and what they may see. */
  readonly views: Views
  /**
   * Makes several changes that are seen together, or, if `fn` throws, not at all. `fn` is synchronous.
   * @throws what `fn` throws
   */
  update(fn: (tx: Transaction) => void): void
}

/** @param changed called with the changes that were made together, each as a function that describes it */
export function editableZones(
  { names, primary, first }: Zones,
  table: ViewTable,
  changed: (changes: readonly (() => Change)[]) => void,
): EditableZones {
  const singleChange: Journal = (_undo, describe) => changed([describe])

  const open = (name: string, journal: Journal) => {
    const data = primary.get(name.toLowerCase().replace(/(.)\.$/, '$1'))
    if (data !== undefined) return openZone(data, journal)
    throw new DnsError(
      'UNKNOWN_ZONE',
      `"${name}" is no zone of this server, which has ${[...primary.keys()].join(', ')}`,
    )
  }
  return {
    zones: [...primary.keys()],
    zone: (name) => open(name, singleChange),
    views: openViews(table, names, first, singleChange),
    update(fn) {
      changed(
        runUpdate(fn, (journal) => ({
          zone: (name) => open(name, journal),
          views: openViews(table, names, first, journal),
        })),
      )
    },
  }
}

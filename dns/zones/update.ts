import { DnsError } from '../errors.ts'
import type { Change, Journal } from './change.ts'
import type { Views } from './views.ts'
import type { Zone } from './zone.ts'

/** What `update()` hands to its function: the same zones and views, for as long as the function runs. */
export interface Transaction {
  zone(name: string): Zone
  readonly views: Views
}

/**
 * Runs a function that makes several changes; if it throws, takes them back, the last one first. No query is answered
 * meanwhile, since the function is synchronous: so they are seen together.
 * @returns what was changed
 */
export function runUpdate(
  fn: (tx: Transaction) => void,
  open: (journal: Journal) => Transaction,
): (() => Change)[] {
  const undos: (() => void)[] = []
  const changes: (() => Change)[] = []
  let over = false
  const journal: Journal = (undo, describe) => {
    undos.push(undo)
    changes.push(describe)
    if (!over) return
    undo()
    throw new DnsError(
      'TRANSACTION',
      'the update is over: a transaction cannot be used after its function has returned',
    )
  }
  try {
    const returned: unknown = fn(open(journal))
    if (returned instanceof Promise) {
      // Its own failure is not lost: it is this error's consequence.
      returned.catch(() => undefined)
      throw new DnsError('TRANSACTION', 'the function given to update() must not be asynchronous')
    }
  } catch (error) {
    for (const undo of undos.reverse()) undo()
    throw error
  } finally {
    over = true
  }
  return changes
}

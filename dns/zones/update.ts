import { DnsError } from '../errors.ts'
import type { Change, Journal } from './change.ts'
import type { Views } from './views.ts'
import type { Zone } from './zone.ts'

/** The argument of the function of `update()`: the same zones and views, until the function returns. */
export interface Transaction {
  zone(name: string): Zone
  readonly views: Views
}

/**
 * Runs a function that makes several changes. If it throws, they are taken back, the last one first. The function is
 * synchronous, so no query is answered meanwhile, and the changes are seen together.
 * @returns the changes, each as a function that describes it
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
      // A failure of the promise is not reported: the function must not return one at all.
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

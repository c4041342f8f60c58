/** Visits in one turn of the event loop. Then everything else has its turn. */
const visitsInTurn = 8

/**
 * Shares the process between TCP connections, and between them and everything else. Otherwise, one client that sends
 * thousands of queries in a segment, or a thousand clients that send a few, would keep every datagram waiting until all
 * of them are answered. A connection with more queries than a visit answers asks for another visit, behind the others.
 */
export interface Turns {
  /** Calls `visit` now or in a later turn of the event loop; once, if it is asked for again while it waits. */
  visit(visit: () => void): void
  /** Cancels a visit that waits. */
  forget(visit: () => void): void
}

export function createTurns(): Turns {
  const queue = new Set<() => void>()
  let left = visitsInTurn
  let turning = false
  /** True during a visit: one that is asked for meanwhile comes later. */
  let visiting = false

  const turn = () => {
    turning = false
    left = visitsInTurn
    for (const visit of queue) {
      if (left === 0) break
      queue.delete(visit)
      run(visit)
    }
    // The next turn may make as many visits again.
    if (left < visitsInTurn) turnLater()
  }
  const turnLater = () => {
    if (turning) return
    turning = true
    setImmediate(turn)
  }
  const run = (visit: () => void) => {
    left--
    turnLater()
    visiting = true
    try {
      visit()
    } finally {
      visiting = false
    }
  }
  return {
    visit(visit) {
      if (left > 0 && !visiting && !queue.has(visit)) run(visit)
      else {
        queue.add(visit)
        turnLater()
      }
    },
    forget: (visit) => void queue.delete(visit),
  }
}

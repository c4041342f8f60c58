/** So many connections are looked after between two looks at everything else. */
const visitsInTurn = 8

/**
 * Shares the process between connections, and between them and the rest: one client that sends thousands of queries in
 * a segment, or a thousand clients that send a few, would otherwise keep every datagram waiting until all of that is
 * answered. Whoever has more to do than a visit allows queues up again, behind the others.
 */
export interface Turns {
  /** Calls `visit` now or in a later turn of the event loop. Calls that wait are made once, however often asked for. */
  visit(visit: () => void): void
  /** Calls a visit that waits off. */
  forget(visit: () => void): void
}

export function createTurns(): Turns {
  const queue = new Set<() => void>()
  let left = visitsInTurn
  let turning = false
  /** A visit is going on: what is asked for meanwhile comes later. */
  let visiting = false

  const turn = () => {
    turning = false
    left = visitsInTurn
    for (const visit of queue) {
      if (left === 0) break
      queue.delete(visit)
      run(visit)
    }
    // The next turn gives back what this one took.
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

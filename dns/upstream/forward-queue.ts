import type { Limits } from '../limits.ts'

/** The queries of one client: those that are being asked, and those that wait for their turn, the oldest first. */
interface Share {
  active: number
  readonly waiting: Set<() => void>
}

/**
 * Decides when a query may be asked. Each client has a share; what is above it, or above the limit for all, waits for
 * its turn, since a stub resolver takes a refusal as final. Clients take turns, so that none waits for the queue of
 * another.
 */
export class ForwardQueue {
  readonly #limits: Limits
  readonly #shares = new Map<string, Share>()
  /** The clients with queries that wait: the one whose turn comes next is the first. */
  readonly #queued = new Map<string, Share>()
  #active = 0
  #waiting = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** The number of queries that are being asked, or wait for that. */
  get size(): number {
    return this.#active + this.#waiting
  }

  /** Takes a turn, if there is one at once. Each turn has to be given back by `end()`. */
  begin(client: string): boolean {
    const share = this.#shares.get(client)
    if (share === undefined) {
      if (!this.#isFree(undefined)) return false
      this.#shares.set(client, { active: 1, waiting: new Set() })
    } else {
      if (share.waiting.size > 0 || !this.#isFree(share)) return false
      share.active++
    }
    this.#active++
    return true
  }

  /**
   * Waits for a turn, which has to be given back by `end()`. Rejects with the signal's reason.
   * @returns `undefined` if too many wait already
   */
  wait(client: string, signal: AbortSignal): Promise<void> | undefined {
    const share = this.#shares.get(client) ?? { active: 0, waiting: new Set() }
    const { forwardQueue, forwardQueuePerClient } = this.#limits
    if (this.#waiting >= forwardQueue || share.waiting.size >= forwardQueuePerClient) return undefined
    this.#shares.set(client, share)
    this.#queued.set(client, share)
    this.#waiting++
    return new Promise((resolve, reject) => {
      const leave = () => {
        signal.removeEventListener('abort', onAbort)
        share.waiting.delete(begin)
        this.#waiting--
        if (share.waiting.size === 0) this.#queued.delete(client)
      }
      const begin = () => {
        leave()
        share.active++
        this.#active++
        resolve()
      }
      const onAbort = () => {
        leave()
        this.#forget(client, share)
        reject(signal.reason)
      }
      share.waiting.add(begin)
      signal.addEventListener('abort', onAbort)
      if (signal.aborted) onAbort()
    })
  }

  /** Gives a turn back. The next query that may be asked gets it. */
  end(client: string): void {
    const share = this.#shares.get(client)
    if (share === undefined) throw new RangeError('no query of this client is being asked')
    share.active--
    this.#active--
    this.#forget(client, share)
    for (const [next, { active, waiting }] of this.#queued) {
      if (active >= this.#limits.forwardsPerClient) continue
      const [begin] = waiting
      begin?.()
      this.#moveBack(next)
      return
    }
  }

  #isFree(share: Share | undefined): boolean {
    const { forwards, forwardsPerClient } = this.#limits
    return this.#active < forwards && (share?.active ?? 0) < forwardsPerClient
  }

  #moveBack(client: string): void {
    const share = this.#queued.get(client)
    if (share === undefined) return
    this.#queued.delete(client)
    this.#queued.set(client, share)
  }

  #forget(client: string, { active, waiting }: Share): void {
    if (active === 0 && waiting.size === 0) this.#shares.delete(client)
  }
}

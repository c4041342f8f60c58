import type { ProgressEvent } from '../../definition/index.ts'
import { holderText, scopedKey } from '../../lifecycle/index.ts'
import type { EventLog } from './event-log.ts'
import { inOrder, isOfService } from './subject-history.ts'

interface EventSubscriptionOptions {
  network: string
  /** The caller as a holder: its leases and waits are sent too, besides those of the runs and services it watches. */
  holder?: string
  /** Names the caller's own run. Of other callers' own runs nothing is sent. */
  own?: string | undefined
  onEvent: (event: ProgressEvent) => void
}

/**
 * One caller's part of the log: the events of the images, runs and services that its call is about. Of those that are
 * already under way when it begins to watch, it gets the events from their start.
 */
export class EventSubscription implements Disposable {
  readonly #log: EventLog
  readonly #options: EventSubscriptionOptions
  readonly #watched = new Map<string, () => void>()
  /** The texts of the runs and services that it watches. */
  readonly #holders = new Set<string>()
  readonly #send = (event: ProgressEvent) => {
    if (this.#concerns(event)) this.#options.onEvent(event)
  }

  constructor(log: EventLog, options: EventSubscriptionOptions) {
    this.#log = log
    this.#options = options
  }

  watch(ids: Iterable<string>): void {
    const added = [...new Set(ids)].filter((id) => !this.#watched.has(id))
    for (const id of added) {
      this.#watched.set(id, this.#log.listen(this.#send, id))
      const key = scopedKey(this.#options.network, id)
      for (const kind of ['run', 'service'] as const) this.#holders.add(holderText({ kind, key, label: id }))
    }
    for (const event of inOrder(this.#past(added))) this.#send(event)
  }

  [Symbol.dispose](): void {
    for (const stop of this.#watched.values()) stop()
    this.#watched.clear()
  }

  /**
   * Returns the earlier events of what is alive: a run's and an image's from their start; a service's from its start
   * while it is starting, else from the start of the earliest run.
   */
  #past(ids: readonly string[]): ProgressEvent[] {
    const { history } = this.#log
    const alive = ids
      .flatMap((id) => history.of(id, this.#options.network))
      .filter(({ begun }) => begun !== undefined)
    const earliest = Math.min(
      ...alive.flatMap(({ begun = 0, states: [first] }) => (first && !isOfService(first) ? [begun] : [])),
    )
    return alive.flatMap(({ begun = 0, states, holders }) => {
      const last = states.findLast(({ kind }) => kind !== 'check')
      const up = last?.kind === 'service' && last.state !== 'pending' && last.state !== 'starting'
      const from = up ? earliest : Math.min(begun, earliest)
      return [...states, ...holders].filter((event) => event.seq >= from || event === last)
    })
  }

  #concerns(event: ProgressEvent): boolean {
    const { network, holder, own } = this.#options
    if (event.network !== undefined && event.network !== network) return false
    if (event.kind === 'exec' && event.run !== undefined && event.run !== own) return false
    if (event.kind !== 'wait' && event.kind !== 'lease') return true
    return event.holder === holder || this.#holders.has(event.holder)
  }
}

import type { ProgressEvent } from '../../definition/index.ts'
import { inOrder, isOfService } from './event-history.ts'
import type { EventLog } from './event-log.ts'

export interface FollowerOptions {
  network: string
  /** Who asks: its leases and waits are told of besides those of the runs and services that it watches. */
  holder?: string
  onEvent: (event: ProgressEvent) => void
}

/**
 * One caller's part of the log: what is told of the images, runs and services that its call is about. What goes on
 * already when it begins to watch is told from its start.
 */
export class Follower implements Disposable {
  readonly #log: EventLog
  readonly #options: FollowerOptions
  readonly #watched = new Map<string, () => void>()
  readonly #tell = (event: ProgressEvent) => {
    if (this.#concerns(event)) this.#options.onEvent(event)
  }

  constructor(log: EventLog, options: FollowerOptions) {
    this.#log = log
    this.#options = options
  }

  watch(ids: Iterable<string>): void {
    const added = [...new Set(ids)].filter((id) => !this.#watched.has(id))
    for (const id of added) this.#watched.set(id, this.#log.listen(this.#tell, id))
    for (const event of inOrder(this.#past(added))) this.#tell(event)
  }

  [Symbol.dispose](): void {
    for (const stop of this.#watched.values()) stop()
    this.#watched.clear()
  }

  /** Of what lives: a run and an image from their start; a service from its start while it starts, else from the run's. */
  #past(ids: readonly string[]): ProgressEvent[] {
    const { stories } = this.#log
    const alive = ids
      .flatMap((id) => stories.of(id, this.#options.network))
      .filter((story) => story.begun !== undefined)
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
    const { network, holder } = this.#options
    if (event.network !== undefined && event.network !== network) return false
    if (event.kind !== 'wait' && event.kind !== 'lease') return true
    return event.holder === holder || this.#watched.has(event.holder.replace(/^(run|service) /, ''))
  }
}

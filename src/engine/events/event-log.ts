import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'eventemitter3'
import type { ProgressEvent } from '../../definition/index.ts'
import { Stories } from './event-history.ts'

/** How many events are kept for those who come later or read slowly. */
const kept = 10_000

/** Distributes over the kinds, so that each keeps its own fields. */
type Without<Event, Fields extends string> = Event extends unknown ? Omit<Event, Fields> : never

/** An event as its teller says it; number and time are the log's to give. */
export type Telling = Without<ProgressEvent, 'type' | 'seq' | 'time'> & { time?: number }

/** Events after a number, in order. */
export interface Reading {
  readonly events: readonly ProgressEvent[]
  /** How many there were between the number and the first of these that are gone. */
  readonly missed: number
}

/**
 * Everything that goes on, numbered, in the order in which it happened. The last are kept in a ring that everybody
 * reads from at a pace of his own, so that a slow reader costs nothing but what he misses. Failures are events like
 * any other, never `error` events.
 */
export class EventLog {
  /** Which life of which daemon its numbers are of. */
  readonly id: string = randomBytes(6).toString('hex')
  readonly stories: Stories = new Stories()
  readonly #ring: ProgressEvent[] = []
  readonly #size: number
  readonly #emitter = new EventEmitter<Record<string, (event: ProgressEvent) => void>>()
  #latest = 0

  constructor({ size = kept }: { size?: number } = {}) {
    this.#size = size
  }

  /** The number of the newest event; 0 before the first. */
  get latest(): number {
    return this.#latest
  }

  /** The number of the oldest that is kept; one more than `latest` when there is none. */
  get oldest(): number {
    return Math.max(1, this.#latest - this.#size + 1)
  }

  tell(telling: Telling): void {
    const { time = Date.now(), ...said } = telling
    this.#latest += 1
    const event = clipped({ type: 'progress', seq: this.#latest, time, ...said } as ProgressEvent)
    this.#ring[this.#latest % this.#size] = event
    this.stories.add(event)
    this.#emitter.emit(event.id, event)
    this.#emitter.emit(everything, event)
  }

  /** Events after `since`, at most `limit`. */
  read(since: number, limit = 256): Reading {
    const first = Math.max(since + 1, this.oldest)
    const events: ProgressEvent[] = []
    for (let seq = first; seq <= this.#latest && events.length < limit; seq += 1) {
      const event = this.#ring[seq % this.#size]
      if (event) events.push(event)
    }
    return { events, missed: first - since - 1 }
  }

  /** The number of the last event before a moment, for reading on from there. */
  before(time: number): number {
    let seq = this.#latest
    while (seq >= this.oldest && (this.#ring[seq % this.#size]?.time ?? 0) >= time) seq -= 1
    return seq
  }

  /** Calls `listener` for each event of this id from now on; with no id, for every one. What it returns ends that. */
  listen(listener: (event: ProgressEvent) => void, id: string = everything): () => void {
    this.#emitter.on(id, listener)
    return () => void this.#emitter.off(id, listener)
  }

  /** Resolves when there is an event after `since`, or when `signal` aborts. */
  async more(since: number, signal: AbortSignal): Promise<void> {
    if (this.#latest > since || signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    this.#emitter.once(everything, wake)
    signal.addEventListener('abort', wake, { once: true })
    await promise
    this.#emitter.off(everything, wake)
    signal.removeEventListener('abort', wake)
  }
}

/** So that the ring is bounded in bytes too: a command may be a megabyte long. */
function clipped(event: ProgressEvent): ProgressEvent {
  for (const [field, limit] of longest) {
    const text: unknown = Reflect.get(event, field)
    if (typeof text !== 'string' || text.length <= limit) continue
    // Through a buffer: a slice alone would hold on to the whole.
    Reflect.set(event, field, `${Buffer.from(text.slice(0, limit)).toString()}…`)
  }
  return event
}

const longest = [
  ['name', 200],
  ['detail', 4_000],
  ['error', 4_000],
  ['answer', 1_000],
] as const

/** No label and no image reference. */
const everything = '*'

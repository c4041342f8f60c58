import { randomBytes } from 'node:crypto'
import { EventEmitter } from 'eventemitter3'
import type { ProgressEvent } from '../../definition/index.ts'
import { EventHistory } from './subject-history.ts'

/** Number of events that are kept for readers that come later or read slowly. */
const defaultSize = 10_000

/** `Omit` for each kind of event by itself, so that each keeps its own fields. */
type Without<Event, Fields extends string> = Event extends unknown ? Omit<Event, Fields> : never

/** An event without its number, which the log gives; the log also gives the time where it is missing. */
export type NewEvent = Without<ProgressEvent, 'type' | 'seq' | 'time'> & { time?: number }

/** The events after a given number, in order. */
interface Reading {
  readonly events: readonly ProgressEvent[]
  /** Number of events between the given number and the first of `events` that are no longer kept. */
  readonly missed: number
}

/**
 * All events of an engine, numbered in the order in which they happened. The last ones are kept in a ring from which
 * each reader reads at its own pace: a slow reader costs nothing, and misses what has been overwritten. Failures are
 * events like any other, never `error` events.
 */
export class EventLog {
  /** Identifies this life of this daemon: the numbers begin anew with the next. */
  readonly id: string = randomBytes(6).toString('hex')
  readonly history: EventHistory = new EventHistory()
  readonly #ring: ProgressEvent[] = []
  readonly #size: number
  readonly #emitter = new EventEmitter<Record<string, (event: ProgressEvent) => void>>()
  #latest = 0

  constructor({ size = defaultSize }: { size?: number } = {}) {
    this.#size = size
  }

  /** The number of the newest event; 0 before the first. */
  get latest(): number {
    return this.#latest
  }

  /** The number of the oldest event that is kept; one more than `latest` when there is none. */
  get oldest(): number {
    return Math.max(1, this.#latest - this.#size + 1)
  }

  append(newEvent: NewEvent): void {
    const { time = Date.now(), ...fields } = newEvent
    this.#latest += 1
    const event = clipTexts({ type: 'progress', seq: this.#latest, time, ...fields } as ProgressEvent)
    this.#ring[this.#latest % this.#size] = event
    this.history.add(event)
    this.#emitter.emit(event.id, event)
    this.#emitter.emit(everything, event)
  }

  /** Returns the events after number `since`, at most `limit`. */
  read(since: number, limit = 256): Reading {
    const first = Math.max(since + 1, this.oldest)
    const events: ProgressEvent[] = []
    for (let seq = first; seq <= this.#latest && events.length < limit; seq += 1) {
      const event = this.#ring[seq % this.#size]
      if (event) events.push(event)
    }
    return { events, missed: first - since - 1 }
  }

  /** Returns the number of the last event before a time, for `read` to go on from. */
  before(time: number): number {
    let seq = this.#latest
    while (seq >= this.oldest && (this.#ring[seq % this.#size]?.time ?? 0) >= time) seq -= 1
    return seq
  }

  /** Calls `listener` for each event of this id, or for every event, until the returned function is called. */
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

/** Shortens long texts, so that the ring is bounded in bytes too: a command may be a megabyte long. */
function clipTexts(event: ProgressEvent): ProgressEvent {
  for (const [field, limit] of longestTexts) {
    const text: unknown = Reflect.get(event, field)
    if (typeof text !== 'string' || text.length <= limit) continue
    // Through a buffer: a slice alone would keep the whole text in memory.
    Reflect.set(event, field, `${Buffer.from(text.slice(0, limit)).toString()}…`)
  }
  return event
}

const longestTexts = [
  ['name', 200],
  ['detail', 4_000],
  ['error', 4_000],
  ['answer', 1_000],
] as const

/** The id under which every event is emitted; no label and no image reference is this. */
const everything = '*'

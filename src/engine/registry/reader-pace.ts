import { MoorageError } from '../../errors/index.ts'
import { defaultLimit } from '../../logs/index.ts'
import type { OutputPace } from '../../runtime/runtime.ts'

/** Somebody who waits for a run, for as long as it is not disposed of. */
export interface AttachedReader extends Disposable {
  /** Notes that the reader has all of the log up to an offset. */
  reached(offset: number): void
}

export interface ReaderPaceOptions {
  /** Bytes of the log that are kept. @defaultValue 64 MiB */
  limit?: number | undefined
  /** The state directory, for messages. */
  directory: string
}

/** Part of the kept bytes that a log may be ahead of its readers: what they still need is never dropped. */
const aheadOfReaders = 1 / 4
/** Part of that by which the writer's offset is raised at a time, so that few messages are sent. */
const step = 1 / 4

/**
 * Paces a run's output by those who are attached to it. The fastest of them holds it up: several do not wait for each
 * other, and a slow one may fall behind by as much as is kept. Readers of our own, which never stall, are all waited for.
 * With nobody attached, the output is written as fast as it comes.
 */
export class ReaderPace implements OutputPace {
  readonly first: number
  /** Aborted with the error when output could not be written. */
  readonly lost: AbortSignal
  readonly #lost = new AbortController()
  readonly #options: ReaderPaceOptions
  /** Offsets of callers; infinite for those who wait for the end and read nothing. */
  readonly #callers = new Set<{ offset: number }>()
  readonly #ownReaders = new Set<{ offset: number }>()
  #allow: (upTo: number) => void = () => undefined
  #allowed: number
  #isHeld = false
  #isOpen = false
  /** Called when it is held for the first time. */
  #onFirstHeld: (() => void) | undefined

  constructor(options: ReaderPaceOptions) {
    this.#options = options
    this.first = Math.floor((options.limit ?? defaultLimit) * aheadOfReaders)
    this.#allowed = this.first
    this.lost = this.#lost.signal
  }

  /**
   * Begins to pace: all who wait for the run from its start are attached now.
   *
   * @param onFirstHeld - called when the log has come further than is kept for sure
   */
  open(onFirstHeld?: () => void): void {
    this.#isOpen = true
    this.#onFirstHeld = onFirstHeld
    if (this.#isHeld) this.held()
  }

  /** Attaches a caller that reads the output from its start; with `reads` false, one that only waits for the end. */
  attach({ reads = true }: { reads?: boolean } = {}): AttachedReader {
    return this.#add(this.#callers, reads ? 0 : Infinity)
  }

  /** Attaches a reader of our own, which is always waited for. */
  attachOwn(): AttachedReader {
    return this.#add(this.#ownReaders, 0)
  }

  connect(allow: (upTo: number) => void): void {
    this.#allow = allow
  }

  held(): void {
    this.#isHeld = true
    if (!this.#isOpen) return
    const onFirstHeld = this.#onFirstHeld
    this.#onFirstHeld = undefined
    onFirstHeld?.()
    this.#update()
  }

  failed(code: string | undefined, reason: string): void {
    const cause = new Error(reason)
    const what = 'the output of a command'
    const { directory } = this.#options
    const isFull = code === 'ENOSPC' || code === 'EDQUOT'
    this.#lost.abort(
      isFull
        ? new MoorageError('DISK_FULL', { what, path: directory }, { cause })
        : new MoorageError(
            'OUTPUT_LOST',
            { what: `some of ${what}`, reason: `it cannot be written: ${reason}` },
            { cause },
          ),
    )
  }

  #add(readers: Set<{ offset: number }>, offset: number): AttachedReader {
    const reader = { offset }
    readers.add(reader)
    this.#update()
    return {
      reached: (offset) => {
        reader.offset = offset
        this.#update()
      },
      [Symbol.dispose]: () => {
        if (readers.delete(reader)) this.#update()
      },
    }
  }

  #update(): void {
    if (!this.#isOpen) return
    const offsets = (readers: Set<{ offset: number }>) => [...readers].map(({ offset }) => offset)
    const fastest = this.#callers.size === 0 ? Infinity : Math.max(...offsets(this.#callers))
    const upTo = Math.min(fastest, ...offsets(this.#ownReaders)) + this.first
    // A log that has not come to its bound needs no other one.
    if (upTo === Infinity && !this.#isHeld) return
    if (upTo === this.#allowed || (upTo > this.#allowed && upTo < this.#allowed + this.first * step)) return
    this.#allowed = upTo
    this.#isHeld = false
    this.#allow(upTo)
  }
}

import { untilAborted } from '../concurrency/index.ts'

/** How much has come of how much. */
export interface Bytes {
  readonly done: number
  readonly total: number
}

/** Told what is being done, in words, and where that is known in bytes. */
export type OnProgress = (detail: string, bytes?: Bytes) => void

export interface Working {
  /** Aborts when nobody waits for the work any more. */
  readonly signal: AbortSignal
  readonly onProgress: OnProgress
}

export interface Waiting {
  signal?: AbortSignal | undefined
  onProgress?: OnProgress | undefined
}

interface Work<T> {
  readonly result: Promise<T>
  readonly abort: AbortController
  readonly listeners: Set<OnProgress>
  waiting: number
  told?: Parameters<OnProgress>
}

/**
 * Work that is done once for all who want it at the same time. A caller that is cancelled returns at once; the work is
 * aborted when the last one has gone, and who comes then begins it anew. Failure is told to those who wait, and to
 * nobody later.
 */
export class SharedWork<T> {
  readonly #works = new Map<string, Work<T>>()
  /** Also what is aborted and unwinds. */
  readonly #unended = new Set<Promise<unknown>>()

  async join(
    key: string,
    { signal, onProgress }: Waiting,
    act: (working: Working) => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    const work = this.#works.get(key) ?? this.#begin(key, act)
    work.waiting += 1
    if (onProgress) {
      if (work.told !== undefined) onProgress(...work.told)
      work.listeners.add(onProgress)
    }
    try {
      return await untilAborted(work.result, signal)
    } finally {
      if (onProgress) work.listeners.delete(onProgress)
      work.waiting -= 1
      if (work.waiting === 0) this.#abandon(key, work)
    }
  }

  /** Aborts all work, and waits until it has unwound. */
  async close(): Promise<void> {
    for (const [key, work] of this.#works) this.#abandon(key, work)
    await Promise.allSettled(this.#unended)
  }

  #begin(key: string, act: (working: Working) => Promise<T>): Work<T> {
    const abort = new AbortController()
    const listeners = new Set<OnProgress>()
    const onProgress: OnProgress = (...told) => {
      work.told = told
      for (const listener of listeners) listener(...told)
    }
    // In a turn of its own, so that what it reports first finds its record.
    const result = Promise.resolve().then(() => act({ signal: abort.signal, onProgress }))
    const work: Work<T> = { result, abort, listeners, waiting: 0 }
    this.#works.set(key, work)
    this.#unended.add(result)
    const ended = () => {
      this.#unended.delete(result)
      if (this.#works.get(key) === work) this.#works.delete(key)
    }
    result.then(ended, ended)
    return work
  }

  #abandon(key: string, work: Work<T>): void {
    if (this.#works.get(key) === work) this.#works.delete(key)
    work.abort.abort()
  }
}

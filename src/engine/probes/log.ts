import type { CheckAnswer } from '../../lifecycle/index.ts'
import { readLog } from '../../logs/index.ts'
import { Lines } from './lines.ts'
import { type Matcher, openMatcher } from './matcher.ts'
import type { ProbeTarget } from './target.ts'

/**
 * Lengths of attempts, in milliseconds. An attempt waits for a matching line, so the answer comes with the line,
 * not at the next attempt. The first attempt is short, so that there is an answer to show.
 */
const firstAttempt = 50
const attempt = 500

/** Reads a run's output from its start until a line matches. */
export class LogProbe implements Disposable {
  readonly #stop = new AbortController()
  readonly #matched = Promise.withResolvers<void>()
  #lines = 0
  #found = false
  #failure: string | undefined
  #asked = false
  readonly #streams = { stdout: new Lines(), stderr: new Lines() }
  /** Present while the log is followed. */
  #matcher: Matcher | undefined
  /** Tells whether what follows on a line may undo a match: then only a line that stands still counts as it is. */
  readonly #needsEnd: boolean
  #seen: string[] = []

  constructor(target: ProbeTarget, pattern: string, flags: string) {
    this.#needsEnd = /\$|\(\?!|\\b/i.test(pattern)
    void this.#follow(target, pattern, flags).catch((error) => {
      if (!this.#stop.signal.aborted) this.#fail(String(error))
    })
  }

  async probe(signal: AbortSignal): Promise<CheckAnswer> {
    await this.#wait(signal)
    const unfinished = await this.#lookAtUnfinished()
    if (this.#found) return { ok: true }
    if (this.#failure !== undefined) return { ok: false, answer: this.#failure, final: true }
    return { ok: false, answer: `none of ${this.#lines + unfinished} lines matches` }
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    this.#matched.resolve()
  }

  async #follow({ logs, ended }: ProbeTarget, pattern: string, flags: string): Promise<void> {
    using matcher: Matcher = openMatcher(pattern, flags)
    this.#matcher = matcher
    using _over = {
      [Symbol.dispose]: () => {
        this.#matcher = undefined
      },
    }
    const streams = this.#streams
    const { signal } = this.#stop
    for await (const { stream, data } of readLog(logs, { signal, ended })) {
      if (await this.#match(matcher, streams[stream].add(data))) return
    }
    // The last line, if nothing has ended it.
    for (const lines of Object.values(streams)) if (await this.#match(matcher, lines.rest())) return
  }

  async #match(matcher: Matcher, lines: readonly string[], counted = lines.length): Promise<boolean> {
    if (lines.length === 0) return false
    const found = await matcher.match(lines)
    if (this.#stop.signal.aborted) return true
    if (found === 'too slow') {
      this.#fail('the pattern takes too long on one line: write it without nested repetitions')
      return true
    }
    this.#lines += counted
    this.#found ||= found
    if (found) this.#matched.resolve()
    return found
  }

  /**
   * Looks at lines that nothing has ended, such as a prompt: they say what they say already.
   *
   * @returns their number
   */
  async #lookAtUnfinished(): Promise<number> {
    if (this.#found || this.#matcher === undefined) return 0
    const lines = Object.values(this.#streams).flatMap(({ unfinished }) => unfinished || [])
    const settled = this.#needsEnd ? lines.filter((line) => this.#seen.includes(line)) : lines
    this.#seen = lines
    await this.#match(this.#matcher, settled, 0)
    return lines.length
  }

  #fail(reason: string): void {
    this.#failure = reason
    this.#matched.resolve()
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#asked ? attempt : firstAttempt)
    this.#asked = true
    signal.addEventListener('abort', () => resolve(), { once: true })
    await Promise.race([this.#matched.promise, promise])
    clearTimeout(timer)
  }
}

import type { Clock } from './clock.ts'

/** From one SIGKILL to the next, in milliseconds: a process that waits for a disk now may die of a later one. */
const killRetryInterval = 1_000

export interface EscalationOptions {
  clock: Clock
  /** Sends a signal to the process. */
  signal: (name: string) => Promise<void>
  stopSignal: string
  /** From the stop signal to SIGKILL, in milliseconds: grace-and-timeouts.ts decides how long. */
  stopTimeout: number
  /** Called when a signal could not be sent. The escalation goes on. */
  onTrouble: (error: unknown) => void
}

/**
 * Ends a process: sends its stop signal, then SIGKILL again and again. To be disposed of when the process has ended.
 */
export class Escalation implements Disposable {
  readonly #options: EscalationOptions
  #timer: Disposable | undefined
  #killing = false
  #over = false

  constructor(options: EscalationOptions) {
    this.#options = options
  }

  /** Sends the stop signal, unless it kills already. */
  ask(): void {
    if (this.#killing) return
    const { clock, stopSignal, stopTimeout } = this.#options
    if (stopSignal === 'SIGKILL') {
      this.kill()
      return
    }
    this.#timer = clock.setTimeout(() => this.kill(), stopTimeout)
    void this.#send(stopSignal)
  }

  /** Sends SIGKILL without waiting any longer. */
  kill(): void {
    if (this.#killing) return
    this.#killing = true
    this.#sendKill()
  }

  [Symbol.dispose](): void {
    this.#over = true
    this.#timer?.[Symbol.dispose]()
  }

  #sendKill(): void {
    if (this.#over) return
    this.#timer?.[Symbol.dispose]()
    this.#timer = this.#options.clock.setTimeout(() => this.#sendKill(), killRetryInterval)
    void this.#send('SIGKILL')
  }

  async #send(name: string): Promise<void> {
    try {
      await this.#options.signal(name)
    } catch (error) {
      // A signal that comes too late for a process is no trouble.
      if (!this.#over) this.#options.onTrouble(error)
    }
  }
}

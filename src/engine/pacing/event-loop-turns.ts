/**
 * Lets one piece of work begin in each turn of the event loop. When fifty services are asked for at once, each
 * needs a few milliseconds of this thread, and its other work, DNS answers above all, would wait for all fifty:
 * with turns it is done in between. A single piece of work does not wait.
 */
export class EventLoopTurns {
  readonly #waiting: (() => void)[] = []
  #taken = false

  /** Resolves when the next piece of work may begin: at once, if none has begun in this turn. */
  async take(): Promise<void> {
    if (!this.#taken) {
      this.#taken = true
      setImmediate(this.#next)
      return
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  readonly #next = () => {
    const first = this.#waiting.shift()
    if (first === undefined) {
      this.#taken = false
      return
    }
    first()
    // An immediate that is set in an immediate runs in the next turn, after the events of sockets.
    setImmediate(this.#next)
  }
}

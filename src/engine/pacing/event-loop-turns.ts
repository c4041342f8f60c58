/**
 * Lets one piece of work begin in each turn of the event loop. When fifty services are asked for at once each needs a few
 * milliseconds of this thread, and what else it does, DNS answers above all, would wait for all fifty: with turns it is
 * looked after in between. Who comes alone does not wait.
 */
export class EventLoopTurns {
  readonly #waiting: (() => void)[] = []
  #taken = false

  /** Resolves when it is one's turn: at once, if nobody has had this one. */
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
    // An immediate of an immediate is of the next turn, after what the sockets have to say.
    setImmediate(this.#next)
  }
}

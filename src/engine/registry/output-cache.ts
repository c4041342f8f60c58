/** The longest output that is kept, and how many bytes of them in all. */
const longest = 64 * 1024
const capacity = 16 * 1024 * 1024

/**
 * Short outputs of runs that have ended, so that a cached answer opens no file and a thousand callers of one run read it
 * once; the least recently asked for goes first. An ended run's log never changes, and its directory has a name of its
 * own.
 */
export class OutputCache {
  readonly #outputs = new Map<string, Buffer>()
  readonly #reading = new Map<string, Promise<Buffer | undefined>>()
  #size = 0

  /** What is kept under a key, or what `read` finds. */
  async get(key: string, read: () => Promise<Buffer | undefined>): Promise<Buffer | undefined> {
    const output = this.#outputs.get(key)
    if (output !== undefined) {
      this.#outputs.delete(key)
      this.#outputs.set(key, output)
      return output
    }
    let reading = this.#reading.get(key)
    if (reading === undefined) {
      reading = read().finally(() => this.#reading.delete(key))
      this.#reading.set(key, reading)
      reading.then(
        (found) => found && this.#keep(key, found),
        () => undefined,
      )
    }
    return reading
  }

  #keep(key: string, output: Buffer): void {
    if (output.length > longest) return
    this.#outputs.set(key, output)
    this.#size += cost(key, output)
    for (const [oldest, its] of this.#outputs) {
      if (this.#size <= capacity) return
      this.#outputs.delete(oldest)
      this.#size -= cost(oldest, its)
    }
  }
}

function cost(key: string, output: Buffer): number {
  // What an empty one takes by itself, roughly.
  return key.length + output.length + 200
}

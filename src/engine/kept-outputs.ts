/** The longest output that is kept, and how many bytes of them in all. */
const longest = 64 * 1024
const capacity = 16 * 1024 * 1024

/**
 * Short outputs of stored results, so that a cached answer opens no file; the least recently asked for goes first.
 * A stored log never changes, and its directory has a name of its own.
 */
export class KeptOutputs {
  readonly #outputs = new Map<string, Buffer>()
  #size = 0

  get(key: string): Buffer | undefined {
    const output = this.#outputs.get(key)
    if (output === undefined) return undefined
    this.#outputs.delete(key)
    this.#outputs.set(key, output)
    return output
  }

  set(key: string, output: Buffer): void {
    if (output.length > longest || this.#outputs.has(key)) return
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

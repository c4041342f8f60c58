import { createFlights } from '../../concurrency/index.ts'

/** Bytes of the longest output that is cached, and of all that are cached. */
const longestOutput = 64 * 1024
const capacity = 16 * 1024 * 1024

/**
 * Caches short outputs of ended runs, so that a cached answer opens no file, and a thousand callers of one run read
 * it once. The least recently used goes first. Nothing ever becomes stale: the log of an ended run never changes,
 * and no later run gets its directory.
 */
export class OutputCache {
  readonly #outputs = new Map<string, Buffer>()
  readonly #reads = createFlights()
  #size = 0

  /** Returns the output that is cached under a key, or that `read` returns. */
  async get(key: string, read: () => Promise<Buffer | undefined>): Promise<Buffer | undefined> {
    const output = this.#outputs.get(key)
    if (output !== undefined) {
      this.#outputs.delete(key)
      this.#outputs.set(key, output)
      return output
    }
    return this.#reads.join(key, async () => {
      const found = await read()
      if (found) this.#keep(key, found)
      return found
    })
  }

  #keep(key: string, output: Buffer): void {
    if (output.length > longestOutput) return
    this.#outputs.set(key, output)
    this.#size += cost(key, output)
    for (const [oldest, oldestOutput] of this.#outputs) {
      if (this.#size <= capacity) return
      this.#outputs.delete(oldest)
      this.#size -= cost(oldest, oldestOutput)
    }
  }
}

function cost(key: string, output: Buffer): number {
  // An empty output takes some 200 bytes itself.
  return key.length + output.length + 200
}

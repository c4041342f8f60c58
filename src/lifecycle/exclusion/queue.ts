interface Place<Item> {
  readonly item: Item
  serve(): void
}

/** A queue for something: first come, first served. */
export class Queue<Item> {
  readonly #places: Place<Item>[] = []

  get length(): number {
    return this.#places.length
  }

  /** The items that wait, in order. */
  get items(): Item[] {
    return this.#places.map(({ item }) => item)
  }

  /**
   * Waits at the end of the queue until `serve()` reaches this item. An abort takes it out at once, unless it was
   * served in the same turn: then the caller has what it waited for, and must let go of it.
   *
   * @param onQueued - called when it stands in the queue; an error thrown here takes it out again
   * @throws the abort reason of `signal`, or what `onQueued` threw
   */
  async wait(item: Item, signal: AbortSignal | undefined, onQueued?: () => void): Promise<void> {
    signal?.throwIfAborted()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const place: Place<Item> = { item, serve: resolve }
    const leave = () => {
      if (this.#remove(place)) reject(signal?.reason)
    }
    this.#places.push(place)
    signal?.addEventListener('abort', leave, { once: true })
    try {
      onQueued?.()
      await promise
    } catch (error) {
      this.#remove(place)
      throw error
    } finally {
      signal?.removeEventListener('abort', leave)
    }
  }

  /** Ends the wait of the first, and returns it. */
  serve(): Item | undefined {
    const place = this.#places.shift()
    place?.serve()
    return place?.item
  }

  /** Returns false if it was not there any more. */
  #remove(place: Place<Item>): boolean {
    const at = this.#places.indexOf(place)
    if (at !== -1) this.#places.splice(at, 1)
    return at !== -1
  }
}

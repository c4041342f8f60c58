import type { Forward } from './forward.ts'

/** The open forwards of a network or a sandbox, which are closed with it. */
export class OpenForwards {
  readonly #open = new Set<Forward>()
  #closed = false

  /** @param gone - thrown if this was closed meanwhile */
  async hold<T extends Forward>(opening: Promise<T>, gone: Error): Promise<T> {
    const forward = await opening
    if (this.#closed) {
      await forward.close()
      throw gone
    }
    this.#open.add(forward)
    void forward.closed.then(() => this.#open.delete(forward))
    return forward
  }

  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#open].map((forward) => forward.close()))
  }
}

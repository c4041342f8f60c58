/** Counts who stands on a layer that is not stored, and removes the layer after the last of them. */
export class LayerHolders {
  readonly #remove: () => Promise<void>
  #holders = 0

  constructor(remove: () => Promise<void>) {
    this.#remove = remove
  }

  hold(): () => Promise<void> {
    this.#holders += 1
    let held = true
    return async () => {
      if (!held) return
      held = false
      this.#holders -= 1
      if (this.#holders === 0) await this.#remove()
    }
  }

  /** Removes the layer if everybody who waited for it went before it was there. */
  dropWhenUnused(signal: AbortSignal): void {
    if (signal.aborted) this.#dropIfUnused()
    else signal.addEventListener('abort', () => this.#dropIfUnused(), { once: true })
  }

  #dropIfUnused(): void {
    if (this.#holders === 0) void this.#remove().catch(() => undefined)
  }
}

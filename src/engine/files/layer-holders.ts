import { rename, rm } from 'node:fs/promises'
import type { Store } from '../../store/index.ts'

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

/** Makes the holders of a layer that is stored: it stays, however many there are. */
export function storedLayerHolders(): LayerHolders {
  return new LayerHolders(async () => undefined)
}

/**
 * Keeps a layer that must not be stored, for as long as somebody stands on it.
 *
 * @param layer - the directory, which is moved
 * @param signal - aborted when everybody who waited for the layer has gone
 */
export async function keepForHolders(
  store: Store,
  layer: string,
  signal: AbortSignal,
): Promise<{ layer: string; holders: LayerHolders }> {
  const kept = await store.temporary()
  await rename(layer, kept)
  const holders = new LayerHolders(() => rm(kept, { recursive: true, force: true }))
  holders.dropWhenUnused(signal)
  return { layer: kept, holders }
}

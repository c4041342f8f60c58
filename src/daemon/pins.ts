interface Pinned {
  release(): void
  lost: Promise<unknown>
}

/** Leases that last until somebody stops the service: those of `start({ detach })` and of `moorage start`. */
export class Pins {
  readonly #leases = new Map<string, Set<Pinned>>()

  get size(): number {
    return this.#leases.size
  }

  /**
   * One pin a service is enough: a second one is let go of, unless ports of the host hang on it.
   *
   * @param needed - something hangs on this very lease
   */
  hold(service: string, lease: Pinned, needed = false): void {
    const held = this.#leases.get(service) ?? new Set()
    if (held.size > 0 && !needed) {
      lease.release()
      return
    }
    held.add(lease)
    this.#leases.set(service, held)
    void lease.lost.then(() => {
      held.delete(lease)
      if (held.size === 0 && this.#leases.get(service) === held) this.#leases.delete(service)
    })
  }

  release(service: string): void {
    const held = this.#leases.get(service)
    this.#leases.delete(service)
    for (const lease of held ?? []) lease.release()
  }
}

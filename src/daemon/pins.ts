/** Leases that last until somebody stops the service: those of `start({ detach })` and of `moorage start`. */
export class Pins {
  readonly #leases = new Map<string, { release(): void }>()

  get size(): number {
    return this.#leases.size
  }

  /** One pin a service is enough: a second one is let go of. */
  hold(service: string, lease: { release(): void; lost: Promise<unknown> }): void {
    this.#leases.get(service)?.release()
    this.#leases.set(service, lease)
    void lease.lost.then(() => {
      if (this.#leases.get(service) === lease) this.#leases.delete(service)
    })
  }

  release(service: string): void {
    this.#leases.get(service)?.release()
    this.#leases.delete(service)
  }
}

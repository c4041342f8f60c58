/**
 * How long an address stays in quarantine, in milliseconds: as long as the kernel remembers a connection that was not
 * answered (nf_conntrack_tcp_timeout_syn_sent).
 */
export const defaultQuarantine = 120_000

/** Released addresses that nobody gets yet, so that packets for the last holder reach nobody. */
export class Quarantine {
  readonly #duration: number
  readonly #now: () => number
  /** Address -> the time when it may be used again, in the order of release. */
  readonly #ends = new Map<number, number>()

  /** @param duration - milliseconds */
  constructor(duration: number, now: () => number) {
    this.#duration = duration
    this.#now = now
  }

  get size(): number {
    return this.#ends.size
  }

  /** The address that has been here longest. */
  get oldest(): number | undefined {
    return this.#ends.keys().next().value
  }

  has(address: number): boolean {
    return this.#ends.has(address)
  }

  begin(address: number): void {
    this.#ends.set(address, this.#now() + this.#duration)
  }

  end(address: number): void {
    this.#ends.delete(address)
  }

  /** Lets go of all addresses whose time is over. */
  endExpired(): void {
    const now = this.#now()
    for (const [address, end] of this.#ends) {
      if (end > now) break
      this.#ends.delete(address)
    }
  }
}

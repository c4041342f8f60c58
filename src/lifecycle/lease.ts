import type { MoorageError } from '../errors/index.ts'
import type { Holder } from './holder.ts'
import type { ScopedKey } from './scoped-key.ts'

/** One holder's interest in a service, which runs on as long as there is a lease on it. */
export interface Lease extends Disposable {
  readonly key: ScopedKey
  /** The service's address. It changes with a restart, so do not keep it. */
  readonly address: string
  /**
   * Resolves when the service exits unasked while this lease is held, with the error for its holder. Stays pending when
   * somebody asked for the stop.
   */
  readonly lost: Promise<MoorageError>
  /** Ends the interest; does nothing the second time, or when the service is gone. */
  release(): void
}

export interface LeaseOptions {
  key: ScopedKey
  holder: Holder
  alias: string | undefined
  address: () => string
  onRelease: (lease: HeldLease) => void
}

/** A lease as its service sees it. */
export class HeldLease implements Lease {
  readonly key: ScopedKey
  readonly holder: Holder
  readonly alias: string | undefined
  readonly lost: Promise<MoorageError>
  readonly lose: (error: MoorageError) => void
  readonly #address: () => string
  readonly #onRelease: (lease: HeldLease) => void

  constructor({ key, holder, alias, address, onRelease }: LeaseOptions) {
    const { promise, resolve } = Promise.withResolvers<MoorageError>()
    this.key = key
    this.holder = holder
    this.alias = alias
    this.lost = promise
    this.lose = resolve
    this.#address = address
    this.#onRelease = onRelease
  }

  get address(): string {
    return this.#address()
  }

  release(): void {
    this.#onRelease(this)
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

import type { Holder } from '../holder.ts'
import { HeldLease } from '../lease.ts'
import type { ServiceNews } from '../news.ts'
import type { ScopedKey } from '../scoped-key.ts'
import type { AcquireOptions, Binder } from './binder.ts'
import type { Failure } from './failures.ts'

type Action = Extract<ServiceNews, { kind: 'lease' }>['action']

export interface HoldersOptions {
  key: ScopedKey
  address: () => string
  /** A lease was released by its holder. */
  onRelease: () => void
  onNews: (news: ServiceNews) => void
}

/** Who keeps a service alive: those who wait for it, and those who hold a lease on it. */
export class Holders {
  readonly #options: HoldersOptions
  readonly #binders = new Set<Binder>()
  readonly #leases = new Set<HeldLease>()
  readonly #aliases = new Set<string>()

  constructor(options: HoldersOptions) {
    this.#options = options
  }

  /** Those who wait, in the order of their coming. */
  get binders(): Binder[] {
    return [...this.#binders]
  }

  /** Who holds a lease. */
  get leaseholders(): Holder[] {
    return [...this.#leases].map(({ holder }) => holder)
  }

  /** Both. */
  get all(): Holder[] {
    return [...this.leaseholders, ...this.binders.map(({ options: { holder } }) => holder)]
  }

  /** All that it was asked for by, the first first. */
  get aliases(): string[] {
    return [...this.#aliases]
  }

  get isHeld(): boolean {
    return this.#leases.size > 0
  }

  get isWanted(): boolean {
    return this.#leases.size > 0 || this.#binders.size > 0
  }

  has(binder: Binder): boolean {
    return this.#binders.has(binder)
  }

  wait(binder: Binder): void {
    this.#binders.add(binder)
    if (binder.options.alias !== undefined) this.#aliases.add(binder.options.alias)
  }

  /** It waits no longer; whether it did. */
  forget(binder: Binder): boolean {
    binder.wanted?.drop()
    return this.#binders.delete(binder)
  }

  lease({ holder, alias }: AcquireOptions): HeldLease {
    const lease = new HeldLease({
      key: this.#options.key,
      holder,
      alias,
      address: this.#options.address,
      onRelease: (released) => {
        if (!this.#leases.delete(released)) return
        this.#tell('released', released)
        this.#options.onRelease()
      },
    })
    this.#leases.add(lease)
    this.#tell('taken', lease)
    return lease
  }

  /** On request: what it returns tells those who had a lease that it has ended, and gives those who waited. */
  end(): { tell: () => void; waiting: Binder[] } {
    const leases = this.#takeLeases()
    const waiting = this.#takeBinders()
    return {
      waiting,
      tell: () => {
        for (const lease of leases) this.#tell('ended', lease)
      },
    }
  }

  /** Unasked: ends the interest of everybody; what it returns tells them why, each under its own alias. */
  dismiss(): (failure: Failure) => void {
    const leases = this.#takeLeases()
    const binders = this.#takeBinders()
    return (failure) => {
      for (const binder of binders) binder.fail(failure(binder.options.alias))
      for (const lease of leases) {
        lease.lose(failure(lease.alias))
        this.#tell('lost', lease)
      }
    }
  }

  #takeLeases(): HeldLease[] {
    const leases = [...this.#leases]
    this.#leases.clear()
    return leases
  }

  #takeBinders(): Binder[] {
    const binders = [...this.#binders]
    for (const binder of binders) this.forget(binder)
    return binders
  }

  #tell(action: Action, { holder, alias }: HeldLease): void {
    this.#options.onNews({ kind: 'lease', action, holder, ...(alias === undefined ? {} : { alias }) })
  }
}

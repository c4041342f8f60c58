import { withoutUndefined } from '../../without-undefined.ts'
import type { Holder } from '../holder.ts'
import { HeldLease } from '../lease.ts'
import type { ServiceNews } from '../news.ts'
import type { ScopedKey } from '../scoped-key.ts'
import type { AcquireOptions, Binder } from './binder.ts'
import type { Failure } from './failures.ts'

type LeaseAction = Extract<ServiceNews, { kind: 'lease' }>['action']

export interface DemandOptions {
  key: ScopedKey
  address: () => string
  /** Called when a holder has released its lease. */
  onRelease: () => void
  onNews: (news: ServiceNews) => void
}

/** The demand that keeps a service alive: binders, who wait for it, and holders, each with a lease on it. */
export class Demand {
  readonly #options: DemandOptions
  readonly #binders = new Set<Binder>()
  readonly #leases = new Set<HeldLease>()
  readonly #aliases = new Set<string>()

  constructor(options: DemandOptions) {
    this.#options = options
  }

  /** The binders, in the order in which they came. */
  get binders(): Binder[] {
    return [...this.#binders]
  }

  /** The holders of leases. */
  get holders(): Holder[] {
    return [...this.#leases].map(({ holder }) => holder)
  }

  /** The holders, then the binders. */
  get all(): Holder[] {
    return [...this.holders, ...this.binders.map(({ options: { holder } }) => holder)]
  }

  /** All aliases under which it was asked for, the first first. */
  get aliases(): string[] {
    return [...this.#aliases]
  }

  get hasHolders(): boolean {
    return this.#leases.size > 0
  }

  /** False when there is neither a binder nor a holder. */
  get isAny(): boolean {
    return this.#leases.size > 0 || this.#binders.size > 0
  }

  has(binder: Binder): boolean {
    return this.#binders.has(binder)
  }

  add(binder: Binder): void {
    this.#binders.add(binder)
    if (binder.options.alias !== undefined) this.#aliases.add(binder.options.alias)
  }

  /** Returns false if it was no binder any more. */
  remove(binder: Binder): boolean {
    binder.checkWait?.drop()
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

  /**
   * Ends all demand because somebody asked for it. `tell()` reports the leases as ended; `binders` are those who
   * waited, whom the caller must fail.
   */
  end(): { tell: () => void; binders: Binder[] } {
    const leases = this.#takeLeases()
    return {
      binders: this.#takeBinders(),
      tell: () => {
        for (const lease of leases) this.#tell('ended', lease)
      },
    }
  }

  /**
   * Ends all demand because the service failed; the function that it returns tells everybody why, under its own alias.
   */
  lose(): (failure: Failure) => void {
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
    const binders = this.binders
    for (const binder of binders) this.remove(binder)
    return binders
  }

  #tell(action: LeaseAction, { holder, alias }: HeldLease): void {
    this.#options.onNews({ kind: 'lease', action, holder, ...withoutUndefined({ alias }) })
  }
}

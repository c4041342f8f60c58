import { NetnsError } from '../kernel/index.ts'
import { gatewayOf, type Subnet } from './addresses.ts'
import { defaultQuarantine, Quarantine } from './quarantine.ts'

export interface AddressLeasesOptions {
  /** Milliseconds that a released address stays in quarantine. */
  quarantine?: number
  /** Milliseconds, from any beginning. */
  now?: () => number
  /** The address to begin with: those before it were leased a moment ago. */
  next?: number | undefined
}

/** Leases the addresses of a subnet. The next lease is the next address, so that each is reused as late as can be. */
export class AddressLeases {
  readonly #first: number
  readonly #last: number
  readonly #subnet: string
  readonly #leased = new Set<number>()
  readonly #quarantine: Quarantine
  #next: number

  constructor(
    subnet: Subnet,
    { quarantine = defaultQuarantine, now = () => performance.now(), next }: AddressLeasesOptions = {},
  ) {
    this.#first = gatewayOf(subnet) + 1
    this.#last = subnet.last - 1
    this.#subnet = subnet.text
    this.#next = next === undefined || next < this.#first || next > this.#last ? this.#first : next
    this.#quarantine = new Quarantine(quarantine, now)
  }

  get size(): number {
    return this.#leased.size
  }

  /** The address that comes next, if it is free. */
  get next(): number {
    return this.#next
  }

  /**
   * Leases a free address; when all that are free are in quarantine, the one that has been there longest.
   *
   * @throws NetnsError `ADDRESSES_EXHAUSTED`
   */
  take(): number {
    this.#quarantine.endExpired()
    const total = this.#last - this.#first + 1
    if (this.#leased.size >= total) {
      throw new NetnsError('ADDRESSES_EXHAUSTED', `all ${total} addresses of ${this.#subnet} are in use`)
    }
    if (this.#leased.size + this.#quarantine.size >= total) {
      return this.#lease(this.#quarantine.oldest as number)
    }
    for (;;) {
      const address = this.#next
      this.#next = address === this.#last ? this.#first : address + 1
      if (!this.#leased.has(address) && !this.#quarantine.has(address)) return this.#lease(address)
    }
  }

  #lease(address: number): number {
    this.#quarantine.end(address)
    this.#leased.add(address)
    return address
  }

  release(address: number): void {
    if (this.#leased.delete(address)) this.quarantine(address)
  }

  /** Treats an address as if it had just been released: somebody had it before this process. */
  quarantine(address: number): void {
    this.#quarantine.begin(address)
  }
}

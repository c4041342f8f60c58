/** Calls `fn` once, after `ms` milliseconds, unless it is disposed of before. */
export type Timer = (fn: () => void, ms: number) => Disposable

interface PinnedLease {
  release(): void
  readonly lost: Promise<unknown>
}

interface Pin {
  readonly lease: PinnedLease
  /** Its end, in milliseconds since the epoch. */
  readonly until: number
  readonly needed: boolean
  timer: Disposable | undefined
}

interface PinOptions {
  /** Milliseconds. @defaultValue until somebody stops the service */
  lasting?: number | undefined
  /** True if something depends on this very lease, such as ports of the host. */
  needed?: boolean
}

/** The leases of `start({ detach })` and `moorage start`: they last for a time, or until somebody stops the service. */
export class PinnedLeases {
  readonly #pins = new Map<string, Set<Pin>>()
  readonly #timer: Timer
  readonly #now: () => number

  constructor({ timer = systemTimer, now = Date.now }: { timer?: Timer; now?: () => number } = {}) {
    this.#timer = timer
    this.#now = now
  }

  /** The number of services with a pinned lease. */
  get size(): number {
    return this.#pins.size
  }

  /** Holds a lease. One for each service is enough: of two the longer one is kept, and any that is needed. */
  hold(
    service: string,
    lease: PinnedLease,
    { lasting = Number.POSITIVE_INFINITY, needed = false }: PinOptions = {},
  ): void {
    const until = this.#now() + lasting
    const pins = this.#pins.get(service) ?? new Set()
    if (!needed && [...pins].some((pin) => pin.until >= until)) {
      lease.release()
      return
    }
    const outlasted = [...pins].filter((pin) => !pin.needed && pin.until <= until)
    const pin: Pin = { lease, until, needed, timer: undefined }
    pins.add(pin)
    this.#pins.set(service, pins)
    const end = () => this.#drop(service, pins, pin)
    if (Number.isFinite(lasting)) pin.timer = this.#timer(end, lasting)
    void lease.lost.then(end)
    for (const other of outlasted) this.#drop(service, pins, other)
  }

  release(service: string): void {
    const pins = this.#pins.get(service)
    for (const pin of pins ?? []) if (pins) this.#drop(service, pins, pin)
  }

  #drop(service: string, pins: Set<Pin>, pin: Pin): void {
    if (!pins.delete(pin)) return
    if (pins.size === 0 && this.#pins.get(service) === pins) this.#pins.delete(service)
    pin.timer?.[Symbol.dispose]()
    pin.lease.release()
  }
}

/** Node's own timer, which reaches further than the day that the schema allows. It does not keep the process alive. */
const systemTimer: Timer = (fn, ms) => {
  const timer = setTimeout(fn, ms)
  timer.unref()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

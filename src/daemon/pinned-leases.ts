/** Calls `fn` once, after so many milliseconds, unless it is disposed of. */
export type Timer = (fn: () => void, ms: number) => Disposable

interface PinnedLease {
  release(): void
  readonly lost: Promise<unknown>
}

interface Pin {
  readonly lease: PinnedLease
  /** When it ends by itself, in milliseconds since the epoch. */
  readonly until: number
  readonly needed: boolean
  timer: Disposable | undefined
}

export interface PinOptions {
  /** Milliseconds; until somebody stops the service unless said. */
  lasting?: number | undefined
  /** Something hangs on this very lease, such as ports of the host. */
  needed?: boolean
}

/** Leases that last until somebody stops the service, or for a time: of `start({ detach })` and `moorage start`. */
export class Pins {
  readonly #pins = new Map<string, Set<Pin>>()
  readonly #timer: Timer
  readonly #now: () => number

  constructor({ timer = systemTimer, now = Date.now }: { timer?: Timer; now?: () => number } = {}) {
    this.#timer = timer
    this.#now = now
  }

  /** How many services are pinned. */
  get size(): number {
    return this.#pins.size
  }

  /** One pin a service is enough: of two the one that lasts longer is kept, and any on which something hangs. */
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

/** A day at most, as the schema has it: Node's own timers go further. It keeps no daemon from its end. */
const systemTimer: Timer = (fn, ms) => {
  const timer = setTimeout(fn, ms)
  timer.unref()
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

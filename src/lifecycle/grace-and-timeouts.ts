import type { AcquireOptions } from './service/binder.ts'

/** What counts where nobody asks for something else; milliseconds. */
export interface Defaults {
  readonly grace: number
  readonly startTimeout: number
  readonly stopTimeout: number
}

/** How a service is kept and stopped, where those who bind it differ: the longest counts, and the first's signal. */
export class Terms {
  readonly #defaults: Defaults
  #asked = false
  grace = 0
  startTimeout = 0
  stopTimeout = 0
  stopSignal = 'SIGTERM'

  constructor(defaults: Defaults) {
    this.#defaults = defaults
  }

  add({ grace, startTimeout, stopTimeout, stopSignal }: Partial<AcquireOptions>): void {
    if (!this.#asked && stopSignal !== undefined) this.stopSignal = stopSignal
    this.#asked = true
    this.grace = Math.max(this.grace, grace ?? this.#defaults.grace)
    this.startTimeout = Math.max(this.startTimeout, startTimeout ?? this.#defaults.startTimeout)
    this.stopTimeout = Math.max(this.stopTimeout, stopTimeout ?? this.#defaults.stopTimeout)
  }
}

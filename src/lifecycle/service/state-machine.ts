import type { MoorageError } from '../../errors/index.ts'
import type { Clock } from '../clock.ts'
import type { Holder } from '../holder.ts'
import type { Because } from '../news.ts'
import type { StateName } from '../snapshot.ts'
import type { Failure } from './failures.ts'
import type { GraceTimer } from './grace-timer.ts'

export type State =
  | { readonly name: 'pending' | 'starting' | 'ready' | 'stopped' }
  | { readonly name: 'grace'; readonly grace: GraceTimer }
  /** A request for a stop overrides a restart that is on its way. */
  | { readonly name: 'stopping'; outcome: StopOutcome }
  | { readonly name: 'failed'; readonly error: MoorageError }

/** Decides the state that follows `stopping`. */
export type StopOutcome =
  /** Nobody wants it any more, or somebody asked for the stop. */
  | { readonly kind: 'stopped' }
  /** `pending` again, with its leases and its binders. */
  | { readonly kind: 'restart' }
  /** Unasked: everybody who still wants it is told. */
  | { readonly kind: 'failed'; readonly failure: Failure }

/** Every transition there is. */
export const transitions: Readonly<Record<StateName, readonly StateName[]>> = {
  pending: ['starting'],
  starting: ['ready', 'stopping', 'failed'],
  ready: ['grace', 'stopping'],
  grace: ['ready', 'stopping'],
  stopping: ['pending', 'stopped', 'failed'],
  stopped: [],
  failed: [],
}

export interface StateMachineOptions {
  clock: Clock
  /** Called after each change. `by` wanted the service, where that is the reason. */
  onEnter: (from: StateName, by: Holder | undefined) => void
}

/** The state that a service is in, since when and why: the only place where it changes. */
export class StateMachine {
  readonly #options: StateMachineOptions
  #state: State = { name: 'pending' }
  #since: number
  #because: Because = 'wanted'

  constructor(options: StateMachineOptions) {
    this.#options = options
    this.#since = options.clock.now()
  }

  get state(): State {
    return this.#state
  }

  get name(): StateName {
    return this.#state.name
  }

  /** Milliseconds since the epoch. */
  get since(): number {
    return this.#since
  }

  get because(): Because {
    return this.#because
  }

  /** The outcome of the stop; only while it stops. */
  get outcome(): StopOutcome {
    return this.#stopping.outcome
  }

  /** True once it is `stopped` or `failed`: for good. */
  get hasEnded(): boolean {
    return this.#state.name === 'stopped' || this.#state.name === 'failed'
  }

  /** Changes the outcome of the stop; only while it stops. */
  redirect(outcome: StopOutcome, because = this.#because): void {
    this.#stopping.outcome = outcome
    this.#because = because
  }

  enter(state: State, because: Because, by?: Holder): void {
    const from = this.#state
    if (!transitions[from.name].includes(state.name)) {
      throw new Error(`a service cannot go from ${from.name} to ${state.name}`)
    }
    if (from.name === 'grace') from.grace[Symbol.dispose]()
    this.#state = state
    this.#since = this.#options.clock.now()
    this.#because = because
    this.#options.onEnter(from.name, by)
  }

  get #stopping(): Extract<State, { name: 'stopping' }> {
    if (this.#state.name === 'stopping') return this.#state
    throw new Error(`a service that is ${this.#state.name} is not being stopped`)
  }
}

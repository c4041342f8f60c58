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
  | { readonly name: 'stopping'; ending: StopOutcome }
  | { readonly name: 'failed'; readonly error: MoorageError }

/** What becomes of a service once it has stopped. */
export type StopOutcome =
  /** Nobody wants it any more, or somebody asked for its end: `stopped`. */
  | { readonly kind: 'done' }
  /** `pending` again, with its leases and those who wait. */
  | { readonly kind: 'restart' }
  /** Unasked: `failed`, and whoever still holds on to it is told. */
  | { readonly kind: 'failure'; readonly failure: Failure }

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
  /** Told after each change; `by`: who wanted it. */
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

  /** What is to become of it: only while it stops. */
  get ending(): StopOutcome {
    if (this.#state.name === 'stopping') return this.#state.ending
    throw new Error(`a service that is ${this.#state.name} has no ending`)
  }

  /** Whether it has ended, for good. */
  get isOver(): boolean {
    return this.#state.name === 'stopped' || this.#state.name === 'failed'
  }

  /** While it stops: something else is to become of it. */
  redirect(ending: StopOutcome, because = this.#because): void {
    if (this.#state.name !== 'stopping')
      throw new Error(`a service that is ${this.#state.name} has no ending`)
    this.#state.ending = ending
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
}

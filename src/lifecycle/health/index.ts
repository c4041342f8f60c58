import type { Clock } from '../clock.ts'
import { adviceOn } from './advice.ts'
import { keyOf, type ServiceCheck } from './check.ts'
import { type CheckNews, type CheckProbe, CheckRun, type CheckState } from './check-run.ts'

export type {
  AttemptTiming,
  CheckAnswer,
  ExecCheck,
  HttpCheck,
  LogCheck,
  ServiceCheck,
  TcpCheck,
  UdpCheck,
} from './check.ts'
export type { CheckNews, CheckProbe, CheckState } from './check-run.ts'

/** A check as snapshots show it. */
export interface CheckSnapshot {
  readonly name: string
  readonly state: CheckState
  readonly count: number
  readonly answer: string | null
}

/** One binder's wait for its set of checks. */
export interface CheckWait {
  /** Ends the wait of a binder that has gone: checks that nobody else waits for are forgotten. */
  drop(): void
  /** Ends the wait of a binder whose time is over: checks that nobody else waits for are remembered as failed. */
  expire(): void
  /** Lists the checks that have not passed, each with its last answer and count. */
  missing(): string
  /** Says what to do about those. */
  advice(): string
}

interface Waiting {
  readonly runs: readonly CheckRun[]
  readonly passed: () => void
  readonly failed: () => void
}

export interface HealthOptions {
  clock: Clock
  probe: CheckProbe
  /** Gets what the checks find. */
  onAnswer?: (news: CheckNews) => void
}

/** The checks of one run of a service: each distinct one is run once, whoever waits for it, and remembered. */
export class Health {
  readonly #clock: Clock
  readonly #probe: CheckProbe
  readonly #onAnswer: ((news: CheckNews) => void) | undefined
  readonly #runs = new Map<string, CheckRun>()
  readonly #waiting = new Set<Waiting>()

  constructor({ clock, probe, onAnswer }: HealthOptions) {
    this.#clock = clock
    this.#probe = probe
    this.#onAnswer = onAnswer
  }

  /**
   * Calls `passed` once all of these checks have passed, at once if they have already; or `failed` when one has failed
   * for good.
   */
  wait(checks: readonly ServiceCheck[], passed: () => void, failed: () => void = () => undefined): CheckWait {
    const runs = [...new Set(checks.map((check) => this.#runOf(check)))]
    const waiting: Waiting = { runs, passed, failed }
    this.#waiting.add(waiting)
    for (const run of runs) run.begin()
    this.#settle(waiting)
    const leave = (last: (run: CheckRun) => void) => {
      if (!this.#waiting.delete(waiting)) return
      for (const run of runs) if (run.state === 'waiting' && !this.#isAwaited(run)) last(run)
    }
    return {
      drop: () =>
        leave((run) => {
          run.giveUp()
          this.#runs.delete(keyOf(run.check))
        }),
      expire: () => leave((run) => run.giveUp()),
      missing: () =>
        runs
          .filter(({ state }) => state !== 'passing')
          .map(String)
          .join(', '),
      advice: () => adviceOn(runs.filter(({ state }) => state !== 'passing')),
    }
  }

  /** In a few words: `healthy`, `checking 6379/tcp`, why not, or `none` where there is nothing to check. */
  get text(): string {
    const runs = [...this.#runs.values()]
    const waiting = runs.filter(({ state }) => state === 'waiting')
    if (waiting.length > 0) return `checking ${waiting.map(({ name }) => name).join(', ')}`
    const failed = runs.filter(({ state }) => state === 'failed')
    if (failed.length > 0) return failed.map(String).join(', ')
    return runs.length > 0 ? 'healthy' : 'none'
  }

  snapshot(): CheckSnapshot[] {
    return [...this.#runs.values()].map(({ name, state, count, answer }) => ({
      name,
      state,
      count,
      answer: answer ?? null,
    }))
  }

  /** Stops all probing; nobody is called any more. */
  close(): void {
    this.#waiting.clear()
    for (const run of this.#runs.values()) run.giveUp()
  }

  #runOf(check: ServiceCheck): CheckRun {
    const remembered = this.#runs.get(keyOf(check))
    if (remembered) return remembered
    const run: CheckRun = new CheckRun(check, {
      clock: this.#clock,
      probe: this.#probe,
      onPass: () => this.#settleAll(),
      onAnswer: this.#onAnswer,
      onFail: () => {
        for (const { runs, failed } of [...this.#waiting]) if (runs.includes(run)) failed()
      },
    })
    this.#runs.set(keyOf(check), run)
    return run
  }

  #isAwaited(run: CheckRun): boolean {
    return [...this.#waiting].some(({ runs }) => runs.includes(run))
  }

  #settleAll(): void {
    for (const waiting of [...this.#waiting]) this.#settle(waiting)
  }

  #settle(waiting: Waiting): void {
    if (waiting.runs.some(({ state }) => state !== 'passing')) return
    // Gone already, where the one called before made it leave.
    if (this.#waiting.delete(waiting)) waiting.passed()
  }
}

/**
 * The words of this wing, one for each thing:
 *
 * - **life**: a service from its first acquire until it is `stopped` or `failed`; then it has **ended**, for good.
 * - **run**: one process of it, from its start to its **exit**. A restart begins another run of the same life.
 * - **stop**: the end that we bring about, by signals. Its **outcome** says what follows: `stopped`, `failed`, a
 *   restart.
 * - **binder**: one that waits for the service. **Holder**: one that has a **lease** on it. Both together: the
 *   **demand**.
 */
import { asMoorageError, type MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Clock } from '../clock.ts'
import type { ServiceDriver, ServiceExit, ServiceProcess } from '../driver.ts'
import { GraceAndTimeouts, type Timeouts } from '../grace-and-timeouts.ts'
import type { Health, ServiceCheck } from '../health/index.ts'
import type { Holder } from '../holder.ts'
import type { Because, ServiceNews } from '../news.ts'
import type { ScopedKey } from '../scoped-key.ts'
import type { ServiceSnapshot, StateName } from '../snapshot.ts'
import type { Binder, Seat } from './binder.ts'
import { Demand } from './demand.ts'
import { exited, type Failure, notReleased, startFailed, stopped, timedOut, unhealthy } from './failures.ts'
import { startGraceTimer } from './grace-timer.ts'
import { logTail } from './log-tail.ts'
import { Run } from './run.ts'
import { StateMachine, type StopOutcome } from './state-machine.ts'
import { stateNews, takeSnapshot } from './take-snapshot.ts'

/** Told to binders while an earlier run is being stopped. */
export const earlierRunStops = 'its earlier run has not ended'

export interface ServiceLifeOptions {
  key: ScopedKey
  driver: ServiceDriver
  clock: Clock
  /** The daemon's default, in milliseconds. */
  defaultGrace: number | undefined
  timeouts: Timeouts
  /** Called after each change that a snapshot shows. */
  onChange: () => void
  onNews: (news: ServiceNews) => void
  /** Called when it has ended, in the same turn: whoever asks for it from now on must get another life. */
  onEnded: () => void
}

/**
 * A service from its first acquire to its end: one process at a time, its binders and its holders.
 * Everything here is synchronous except `#live`, which follows the process; what arrives while that waits finds the
 * state and nothing else, so the order of arrival is the order of effect.
 */
export class ServiceLife implements Seat {
  readonly key: ScopedKey
  readonly driver: ServiceDriver
  /** Resolves when it has ended and holds nothing any more. */
  readonly ended: Promise<void>
  readonly #options: ServiceLifeOptions
  readonly #graceAndTimeouts: GraceAndTimeouts
  readonly #demand: Demand
  readonly #machine: StateMachine
  #run: Run | undefined
  #address = ''
  #readyChecks: readonly ServiceCheck[] | undefined
  #signalError: MoorageError | undefined
  #releaseError: MoorageError | undefined

  constructor(options: ServiceLifeOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.key = options.key
    this.driver = options.driver
    this.ended = promise
    this.#options = options
    this.#graceAndTimeouts = new GraceAndTimeouts({
      grace: options.defaultGrace,
      timeouts: options.timeouts,
    })
    this.#demand = new Demand({
      key: options.key,
      address: () => this.#address,
      onNews: options.onNews,
      onRelease: () => {
        this.#changed()
        this.#stopWithoutDemand({ kind: 'stopped' })
      },
    })
    this.#machine = new StateMachine({
      clock: options.clock,
      onEnter: (from, by) => {
        if (this.#machine.hasEnded) {
          options.onEnded()
          resolve()
        }
        this.#changed()
        options.onNews(stateNews(this.snapshot(), { from, because: this.#machine.because, by }))
      },
    })
  }

  get state(): StateName {
    return this.#machine.name
  }

  /** True while binders may join: it can be had, now or soon. Otherwise they wait for its end. */
  get accepts(): boolean {
    const { state, hasEnded } = this.#machine
    if (state.name === 'stopping') return state.outcome.kind === 'restart'
    return !hasEnded
  }

  get holders(): Holder[] {
    return this.#demand.holders
  }

  /** The longest start that a binder was ready to wait for, in milliseconds: for one who does not say. */
  get startTimeout(): number {
    return this.#graceAndTimeouts.startTimeout
  }

  /** The checks that must pass after a restart: those that made it ready; until then, those of the first binder. */
  get restartChecks(): readonly ServiceCheck[] {
    const [first] = this.#demand.binders
    return this.#readyChecks ?? first?.options.checks ?? []
  }

  /** Starts it for a binder, shares the start in progress, or revokes its grace. Only while it `accepts`. */
  join(binder: Binder): void {
    binder.sit(this)
    this.#demand.add(binder)
    this.#graceAndTimeouts.add(binder.options)
    if (this.state === 'pending') {
      void this.#live()
      return
    }
    if (this.state === 'grace') this.#machine.enter({ name: 'ready' }, 'wanted', binder.options.holder)
    else this.#changed()
    const { detail } = this.#run ?? {}
    if (this.state === 'starting' && detail !== undefined) binder.progress({ state: 'running', detail })
    this.#check(binder)
  }

  left(binder: Binder): void {
    if (!this.#demand.remove(binder)) return
    this.#changed()
    this.#stopWithoutDemand({ kind: 'stopped' })
  }

  expired(binder: Binder): void {
    const checks = this.waitingFor(binder)
    const advice = withoutUndefined({ advice: binder.checkWait?.advice() })
    this.#refuse(binder, (log) =>
      timedOut(this.driver, { timeout: binder.startTimeout, checks, ...advice, log }),
    )
  }

  waitingFor(binder: Binder): string {
    if (binder.checkWait) return binder.checkWait.missing()
    if (this.state === 'stopping') return earlierRunStops
    return this.#run?.detail ?? 'its start has said nothing yet'
  }

  /**
   * Stops it, also while it starts, or waits for its end if it is stopping already. Leases are gone and not lost:
   * their holders go on. Does nothing when it has ended.
   *
   * @throws MoorageError INTERNAL when it could not release all it held
   */
  async stop({ kill = false, code = 'STOPPED_BY_REQUEST' }: StopOptions = {}): Promise<void> {
    if (this.accepts) {
      const { tell, binders } = this.#demand.end()
      this.#beginStop({ kind: 'stopped' }, code === 'DAEMON_STOPPING' ? 'daemon-stopping' : 'requested', kill)
      tell()
      for (const binder of binders) binder.fail(stopped(this.driver, code)(binder.options.alias))
    } else if (kill) this.#run?.kill()
    await this.ended
    if (this.#releaseError) throw this.#releaseError
  }

  /** Stops it and starts it again; `binder` waits for that. Leases and other binders are kept. */
  restart(binder: Binder): void {
    const again = this.state === 'stopping'
    binder.sit(this)
    this.#demand.add(binder)
    if (again) this.#changed()
    else this.#beginStop({ kind: 'restart' }, 'restart')
  }

  /** Ends its grace, because somebody waits for what it has. */
  hurry(): void {
    if (this.state === 'grace') this.#beginStop({ kind: 'stopped' }, 'hurried')
  }

  snapshot(): ServiceSnapshot {
    return takeSnapshot({
      key: this.key,
      driver: this.driver,
      machine: this.#machine,
      demand: this.#demand,
      run: this.#run,
      signalError: this.#signalError,
    })
  }

  /** Follows one process from its start to the release of what it held. */
  async #live(): Promise<void> {
    const run = new Run({
      clock: this.#options.clock,
      driver: this.driver,
      onReport: (detail) => {
        this.#options.onNews({ kind: 'report', detail })
        for (const binder of this.#demand.binders) binder.progress({ state: 'running', detail })
      },
      onCheck: (check) => this.#options.onNews({ kind: 'check', ...check }),
      onTrouble: (error) => {
        this.#signalError = asMoorageError(error)
        this.#changed()
      },
    })
    this.#run = run
    const [first] = this.#demand.binders
    const again = this.#machine.because === 'restart'
    this.#machine.enter(
      { name: 'starting' },
      again ? 'restart' : 'wanted',
      again ? undefined : first?.options.holder,
    )
    let process: ServiceProcess
    try {
      process = await run.start()
    } catch (thrown) {
      // The failure of a start that was called off says nothing new.
      if (this.state === 'stopping') return this.#finish(this.#machine.outcome)
      return this.#finish({ kind: 'failed', failure: startFailed(this.driver, thrown) }, 'start-failed')
    }
    this.#address = process.address
    if (run.health) this.#beginChecks(run.health)

    const exit = await run.exited(process)
    if (this.state !== 'stopping') await this.#exitedUnasked(process, exit)

    try {
      await process.release()
    } catch (thrown) {
      const { outcome } = this.#machine
      const failure = outcome.kind === 'failed' ? outcome.failure : undefined
      const failed = notReleased(this.driver, thrown, failure)
      this.#releaseError = failed(undefined)
      return this.#finish({ kind: 'failed', failure: failed })
    }
    this.#finish(this.#machine.outcome)
  }

  /** Enters the state that follows, once the process has exited, or never was, and everything is released. */
  #finish(outcome: StopOutcome, because = this.#machine.because): void {
    if (outcome.kind === 'restart') {
      this.#machine.enter({ name: 'pending' }, 'restart')
      void this.#live()
    } else if (outcome.kind === 'failed') {
      const tell = this.#demand.lose()
      this.#machine.enter({ name: 'failed', error: outcome.failure(undefined) }, because)
      tell(outcome.failure)
    } else {
      this.#machine.enter({ name: 'stopped' }, because)
    }
  }

  async #exitedUnasked(process: ServiceProcess, exit: ServiceExit): Promise<void> {
    const { clock } = this.#options
    const inUse = this.#demand.isAny ? 'while it was in use' : 'while nobody used it'
    const when = this.state === 'starting' ? 'before it was healthy' : inUse
    const failureWith = (log: string) => exited(this.driver, { exit, log, when })
    // From here on binders wait for the end, so that nobody inherits this failure.
    this.#machine.enter({ name: 'stopping', outcome: { kind: 'failed', failure: failureWith('') } }, 'exited')
    const failure = failureWith(await logTail(process, clock))
    this.#machine.redirect({ kind: 'failed', failure })
    // Told before the release, which may take a while.
    this.#demand.lose()(failure)
    this.#changed()
  }

  #beginStop(outcome: StopOutcome, because: Because, kill = false): void {
    if (this.state === 'stopping') {
      this.#machine.redirect(outcome, because)
      if (kill) this.#run?.kill()
      this.#changed()
      return
    }
    for (const binder of this.#demand.binders) binder.checkWait = undefined
    this.#machine.enter({ name: 'stopping', outcome }, because)
    this.#run?.stop(this.#graceAndTimeouts, kill)
  }

  /** Where no demand is left, calls off a start, and gives a ready service its grace. */
  #stopWithoutDemand(outcome: StopOutcome): void {
    if (this.#demand.isAny) return
    const { state } = this.#machine
    if (state.name === 'ready' && outcome.kind === 'stopped') this.#beginGrace()
    else if (state.name === 'starting' || state.name === 'ready')
      this.#beginStop(outcome, outcome.kind === 'failed' ? 'not-healthy-in-time' : 'called-off')
    else if (state.name === 'stopping' && state.outcome.kind === 'restart') this.#machine.redirect(outcome)
  }

  #beginGrace(): void {
    const { grace } = this.#graceAndTimeouts
    const stop = (because: Because) => this.#beginStop({ kind: 'stopped' }, because)
    if (grace === 0) stop('unused')
    else if (this.driver.mayLinger?.() === false) stop('hurried')
    else {
      const timer = startGraceTimer(this.#options.clock, grace, () => stop('grace-over'))
      this.#machine.enter({ name: 'grace', grace: timer }, 'unused')
    }
  }

  #beginChecks(health: Health): void {
    // After a restart the service is for its holders too, however long its checks take.
    if (this.#demand.hasHolders) health.wait(this.restartChecks, () => this.#beReady(this.restartChecks))
    for (const binder of this.#demand.binders) this.#check(binder)
    this.#changed()
  }

  #check(binder: Binder): void {
    const health = this.#run?.health
    if (health === undefined || this.state === 'stopping' || !this.#demand.has(binder)) return
    const checks = health.wait(
      binder.options.checks,
      () => this.#passed(binder),
      () => this.#failedFor(binder),
    )
    if (this.#demand.has(binder)) {
      binder.checkWait = checks
      this.#changed()
    }
  }

  #passed(binder: Binder): void {
    this.#beReady(binder.options.checks)
    binder.progress({ state: 'healthy' })
    if (!this.#demand.remove(binder)) return
    const lease = binder.takesLease ? this.#demand.lease(binder.options) : undefined
    binder.grant(lease)
    this.#changed()
    this.#stopWithoutDemand({ kind: 'stopped' })
  }

  /** One of the binder's checks has failed for good. */
  #failedFor(binder: Binder): void {
    const checks = this.waitingFor(binder)
    this.#refuse(binder, (log) => unhealthy(this.driver, { checks, log }))
  }

  /** Fails one binder alone; when no demand is left, the service fails too. */
  #refuse(binder: Binder, failureWith: (log: string) => Failure): void {
    binder.checkWait?.expire()
    if (!this.#demand.remove(binder)) return
    const { clock } = this.#options
    const { process } = this.#run ?? {}
    // Begun before the stop signal, whose last words are not what was wrong.
    const log = process === undefined ? Promise.resolve('') : logTail(process, clock)
    void log.then((lines) => binder.fail(failureWith(lines)(binder.options.alias)))
    this.#changed()
    this.#stopWithoutDemand({ kind: 'failed', failure: failureWith('') })
  }

  #beReady(checks: readonly ServiceCheck[]): void {
    if (this.state !== 'starting') return
    this.#readyChecks ??= checks
    this.#machine.enter({ name: 'ready' }, 'healthy')
  }

  #changed(): void {
    this.#options.onChange()
  }
}

export interface StopOptions {
  /** SIGKILL at once, also when it is being stopped gently already. */
  kill?: boolean
  /** The error for its binders. */
  code?: 'STOPPED_BY_REQUEST' | 'DAEMON_STOPPING'
}

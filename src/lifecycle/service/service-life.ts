import { asMoorageError, type MoorageError } from '../../errors/index.ts'
import type { Clock } from '../clock.ts'
import type { ServiceDriver, ServiceExit, ServiceProcess } from '../driver.ts'
import { GraceAndTimeouts, type Timeouts } from '../grace-and-timeouts.ts'
import type { Health, ServiceCheck } from '../health/index.ts'
import type { Holder } from '../holder.ts'
import type { Because, ServiceNews } from '../news.ts'
import type { ScopedKey } from '../scoped-key.ts'
import type { ServiceSnapshot, StateName } from '../snapshot.ts'
import type { Binder, Seat } from './binder.ts'
import { Holders } from './demand.ts'
import { exited, type Failure, notReleased, startFailed, stopped, timedOut, unhealthy } from './failures.ts'
import { startGraceTimer } from './grace-timer.ts'
import { logTail } from './log-tail.ts'
import { Run } from './run.ts'
import { StateMachine, type StopOutcome } from './state-machine.ts'

/** What is said to those who wait while an earlier run is being stopped. */
export const notEnded = 'its earlier run has not ended'

export interface ServiceLifeOptions {
  key: ScopedKey
  driver: ServiceDriver
  clock: Clock
  defaultGrace: number | undefined
  timeouts: Timeouts
  /** After each change that a snapshot shows. */
  onChange: () => void
  /** Told of everything that happens to it. */
  onNews: (news: ServiceNews) => void
  /** At the end, in the same turn: whoever asks for it from now on must get another service. */
  onEnd: () => void
}

/**
 * A service from its first acquire to its end: one process at a time, those who wait for it, and those who hold it.
 * Everything here is synchronous except `#live`, which follows the process; what arrives while that waits finds the
 * state and nothing else, so the order of arrival is the order of effect.
 */
export class Service implements Seat {
  readonly key: ScopedKey
  readonly driver: ServiceDriver
  /** Resolves when it is `stopped` or `failed` and holds nothing any more. */
  readonly ended: Promise<void>
  readonly #options: ServiceLifeOptions
  readonly #graceAndTimeouts: GraceAndTimeouts
  readonly #holders: Holders
  readonly #machine: StateMachine
  readonly #end: () => void
  #run: Run | undefined
  #address = ''
  #readyChecks: readonly ServiceCheck[] | undefined
  #trouble: MoorageError | undefined
  #notReleased: MoorageError | undefined

  constructor(options: ServiceLifeOptions) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.key = options.key
    this.driver = options.driver
    this.ended = promise
    this.#end = resolve
    this.#options = options
    this.#graceAndTimeouts = new GraceAndTimeouts({ grace: options.defaultGrace, timeouts: options.timeouts })
    this.#holders = new Holders({
      key: options.key,
      address: () => this.#address,
      onNews: options.onNews,
      onRelease: () => {
        this.#changed()
        this.#endIfUnwanted({ kind: 'done' })
      },
    })
    this.#machine = new StateMachine({
      clock: options.clock,
      onEnter: (from, by) => {
        if (this.#machine.isOver) {
          options.onEnd()
          this.#end()
        }
        this.#changed()
        this.#tellOfState(from, by)
      },
    })
  }

  get state(): StateName {
    return this.#machine.name
  }

  /** Whether it can be had, now or soon; otherwise one has to wait for its end. */
  get accepts(): boolean {
    const { state } = this.#machine
    if (state.name === 'stopping') return state.ending.kind === 'restart'
    return !this.#machine.isOver
  }

  /** Who holds a lease. */
  get leaseholders(): Holder[] {
    return this.#holders.leaseholders
  }

  /** The longest start that anybody was ready to wait for, for one who does not say. */
  get startTimeout(): number {
    return this.#graceAndTimeouts.startTimeout
  }

  /** What must hold after a restart: the checks that made it ready; until then, those of whoever came first. */
  get restartChecks(): readonly ServiceCheck[] {
    const [first] = this.#holders.binders
    return this.#readyChecks ?? first?.options.checks ?? []
  }

  /** Somebody wants it: starts it, shares the start in progress, or revokes its grace. Only if it `accepts`. */
  join(binder: Binder): void {
    binder.sit(this)
    this.#holders.wait(binder)
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
    if (!this.#holders.forget(binder)) return
    this.#changed()
    this.#endIfUnwanted({ kind: 'done' })
  }

  expired(binder: Binder): void {
    const checks = this.waitingFor(binder)
    this.#refuse(binder, (log) => timedOut(this.driver, { timeout: binder.startTimeout, checks, log }))
  }

  /** A check that it waits for has failed for good. */
  #failed(binder: Binder): void {
    const checks = this.waitingFor(binder)
    this.#refuse(binder, (log) => unhealthy(this.driver, { checks, log }))
  }

  /** It fails alone; without others, so does the service. */
  #refuse(binder: Binder, failureWith: (log: string) => Failure): void {
    binder.wanted?.expire()
    if (!this.#holders.forget(binder)) return
    const { clock } = this.#options
    const { running } = this.#run ?? {}
    // Begun before the stop signal, whose last words are not what was wrong.
    const log = running === undefined ? Promise.resolve('') : logTail(running, clock)
    void log.then((lines) => binder.fail(failureWith(lines)(binder.options.alias)))
    this.#changed()
    this.#endIfUnwanted({ kind: 'failure', failure: failureWith('') })
  }

  waitingFor(binder: Binder): string {
    if (binder.wanted) return binder.wanted.missing()
    if (this.state === 'stopping') return notEnded
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
      const { tell, waiting } = this.#holders.end()
      this.#stopFor({ kind: 'done' }, kill, code === 'DAEMON_STOPPING' ? 'daemon-stopping' : 'requested')
      tell()
      for (const binder of waiting) binder.fail(stopped(this.driver, code)(binder.options.alias))
    } else if (kill) this.#run?.kill()
    await this.ended
    if (this.#notReleased) throw this.#notReleased
  }

  /** Stops it and starts it again; `binder` waits for that, leases and whoever else waits are kept. */
  restart(binder: Binder): void {
    const again = this.state === 'stopping'
    binder.sit(this)
    this.#holders.wait(binder)
    if (again) this.#changed()
    else this.#stopFor({ kind: 'restart' }, false, 'restart')
  }

  /** Somebody waits for what it has: its grace is over. */
  hurry(): void {
    if (this.state === 'grace') this.#stopFor({ kind: 'done' }, false, 'hurried')
  }

  snapshot(): ServiceSnapshot {
    const { state } = this.#machine
    const run = this.#run
    const over = ['stopping', 'stopped', 'failed'].includes(state.name)
    return {
      key: this.key,
      label: this.driver.label,
      hostname: this.driver.hostname,
      describe: this.driver.describe,
      state: state.name,
      since: this.#machine.since,
      startedAt: run?.startedAt ?? null,
      stopsAt: state.name === 'grace' ? state.grace.stopsAt : null,
      holders: this.#holders.all,
      aliases: this.#holders.aliases,
      address: (this.#machine.isOver ? undefined : run?.running?.address) ?? null,
      health: over ? 'none' : (run?.health?.text ?? 'starting'),
      checks: run?.health?.snapshot() ?? [],
      exitCode: run?.exit?.code ?? null,
      error:
        (state.name === 'failed' ? state.error : state.name === 'stopping' ? this.#trouble : null) ?? null,
    }
  }

  #tellOfState(from: StateName, by: Holder | undefined): void {
    const { state: to, address, stopsAt, exitCode, error } = this.snapshot()
    this.#options.onNews({
      kind: 'state',
      from,
      to,
      because: this.#machine.because,
      ...(by === undefined ? {} : { by }),
      ...(stopsAt === null ? {} : { stopsAt }),
      ...(address === null ? {} : { address }),
      ...(exitCode === null ? {} : { exitCode }),
      ...(error === null ? {} : { error: error.message }),
    })
  }

  /** Follows one process from its start to the release of what it held. */
  async #live(): Promise<void> {
    const run = new Run({
      clock: this.#options.clock,
      driver: this.driver,
      onReport: (detail) => {
        this.#options.onNews({ kind: 'report', detail })
        for (const binder of this.#holders.binders) binder.progress({ state: 'running', detail })
      },
      onCheck: (check) => this.#options.onNews({ kind: 'check', ...check }),
      onTrouble: (error) => {
        this.#trouble = asMoorageError(error)
        this.#changed()
      },
    })
    this.#run = run
    const [first] = this.#holders.binders
    const again = this.#machine.because === 'restart'
    this.#machine.enter(
      { name: 'starting' },
      again ? 'restart' : 'wanted',
      again ? undefined : first?.options.holder,
    )
    let running: ServiceProcess
    try {
      running = await run.start()
    } catch (thrown) {
      // That a start fails which was called off says nothing new.
      if (this.state === 'stopping') return this.#over(this.#machine.ending)
      return this.#over({ kind: 'failure', failure: startFailed(this.driver, thrown) }, 'start-failed')
    }
    this.#address = running.address
    if (run.health) this.#beginChecks(run.health)

    const exit = await run.ended(running)
    if (this.state !== 'stopping') await this.#exitedUnasked(running, exit)

    try {
      await running.release()
    } catch (thrown) {
      const { ending } = this.#machine
      const failure = ending.kind === 'failure' ? ending.failure : undefined
      const failed = notReleased(this.driver, thrown, failure)
      this.#notReleased = failed(undefined)
      return this.#over({ kind: 'failure', failure: failed })
    }
    this.#over(this.#machine.ending)
  }

  /** The process has ended, or never was, and everything is released. */
  #over(ending: StopOutcome, because = this.#machine.because): void {
    if (ending.kind === 'restart') {
      this.#machine.enter({ name: 'pending' }, 'restart')
      void this.#live()
    } else if (ending.kind === 'failure') {
      const tell = this.#holders.dismiss()
      this.#machine.enter({ name: 'failed', error: ending.failure(undefined) }, because)
      tell(ending.failure)
    } else {
      this.#machine.enter({ name: 'stopped' }, because)
    }
  }

  async #exitedUnasked(running: ServiceProcess, exit: ServiceExit): Promise<void> {
    const { clock } = this.#options
    const healthy = this.state !== 'starting'
    const inUse = this.#holders.isWanted
    const when = healthy ? (inUse ? 'while it was in use' : 'while nobody used it') : 'before it was healthy'
    const failureWith = (log: string) => exited(this.driver, { exit, log, when })
    // From here on whoever comes waits for the end, so that nobody inherits this failure.
    this.#machine.enter({ name: 'stopping', ending: { kind: 'failure', failure: failureWith('') } }, 'exited')
    const failure = failureWith(await logTail(running, clock))
    this.#machine.redirect({ kind: 'failure', failure })
    // Told before the release, which may take a while.
    this.#holders.dismiss()(failure)
    this.#changed()
  }

  #stopFor(ending: StopOutcome, kill: boolean, because: Because): void {
    if (this.state === 'stopping') {
      this.#machine.redirect(ending, because)
      if (kill) this.#run?.kill()
      this.#changed()
      return
    }
    for (const binder of this.#holders.binders) binder.wanted = undefined
    this.#machine.enter({ name: 'stopping', ending }, because)
    this.#run?.stop(this.#graceAndTimeouts, kill)
  }

  /** Without anybody who holds it or waits for it: a start is called off, a ready service gets its grace. */
  #endIfUnwanted(ending: StopOutcome): void {
    if (this.#holders.isWanted) return
    const { state } = this.#machine
    const { name } = state
    if (name === 'ready' && ending.kind === 'done') this.#beginGrace()
    else if (name === 'starting' || name === 'ready')
      this.#stopFor(ending, false, ending.kind === 'failure' ? 'not-healthy-in-time' : 'called-off')
    else if (state.name === 'stopping' && state.ending.kind === 'restart') this.#machine.redirect(ending)
  }

  #beginGrace(): void {
    const { grace } = this.#graceAndTimeouts
    const stop = (because: Because) => this.#stopFor({ kind: 'done' }, false, because)
    if (grace === 0) stop('unused')
    else if (this.driver.mayLinger?.() === false) stop('hurried')
    else {
      const over = startGraceTimer(this.#options.clock, grace, () => stop('grace-over'))
      this.#machine.enter({ name: 'grace', grace: over }, 'unused')
    }
  }

  #beginChecks(health: Health): void {
    // After a restart the service is for its leaseholders too, however long its checks take.
    if (this.#holders.isHeld) health.want(this.restartChecks, () => this.#beReady(this.restartChecks))
    for (const binder of this.#holders.binders) this.#check(binder)
    this.#changed()
  }

  #check(binder: Binder): void {
    const health = this.#run?.health
    if (health === undefined || this.state === 'stopping' || !this.#holders.has(binder)) return
    const wanted = health.want(
      binder.options.checks,
      () => this.#passed(binder),
      () => this.#failed(binder),
    )
    if (this.#holders.has(binder)) {
      binder.wanted = wanted
      this.#changed()
    }
  }

  #passed(binder: Binder): void {
    this.#beReady(binder.options.checks)
    binder.progress({ state: 'healthy' })
    if (!this.#holders.forget(binder)) return
    const lease = binder.takesLease ? this.#holders.lease(binder.options) : undefined
    binder.grant(lease)
    this.#changed()
    this.#endIfUnwanted({ kind: 'done' })
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
  /** What those who wait for it are told. */
  code?: 'STOPPED_BY_REQUEST' | 'DAEMON_STOPPING'
}

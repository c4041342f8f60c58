import { asMoorageError } from '../../errors/index.ts'
import type { Clock } from '../clock.ts'
import type { ServiceDriver, ServiceExit, ServiceProcess } from '../driver.ts'
import { Escalation } from '../escalation.ts'
import type { GraceAndTimeouts } from '../grace-and-timeouts.ts'
import { type CheckNews, Health } from '../health/index.ts'

export interface RunOptions {
  clock: Clock
  driver: ServiceDriver
  /** Gets what the start reports. */
  onReport: (detail: string) => void
  /** Gets what the checks find. */
  onCheck: (check: CheckNews) => void
  /** Called when a signal could not be sent. */
  onTrouble: (error: unknown) => void
}

/** How a process is to be stopped. */
type StopPolicy = Pick<GraceAndTimeouts, 'stopSignal' | 'stopTimeout'>

/** One process of a service, from its start to its exit. It does what its service decides. */
export class Run {
  readonly startedAt: number
  readonly #options: RunOptions
  readonly #calledOff = new AbortController()
  #detail: string | undefined
  #process: ServiceProcess | undefined
  #health: Health | undefined
  #escalation: Escalation | undefined
  #stopPolicy: StopPolicy | undefined
  #kill = false
  #exit: ServiceExit | undefined

  constructor(options: RunOptions) {
    this.#options = options
    this.startedAt = options.clock.now()
  }

  /** What the start is doing, in its own words. */
  get detail(): string | undefined {
    return this.#detail
  }

  get process(): ServiceProcess | undefined {
    return this.#process
  }

  /** Its checks, from the moment when there is a process, unless that was to be stopped before. */
  get health(): Health | undefined {
    return this.#health
  }

  get exit(): ServiceExit | undefined {
    return this.#exit
  }

  /** @throws the driver's error; then there is no process */
  async start(): Promise<ServiceProcess> {
    const { clock, driver, onReport, onCheck } = this.#options
    const process = await driver.start({
      signal: this.#calledOff.signal,
      report: (detail) => {
        if (this.#process) return
        this.#detail = detail
        onReport(detail)
      },
    })
    this.#process = process
    // It may have come up although its start was called off.
    if (this.#stopPolicy) this.#escalate(process, this.#stopPolicy)
    else
      this.#health = new Health({
        clock,
        probe: (check, signal) => process.probe(check, signal),
        onAnswer: onCheck,
      })
    return process
  }

  /** Calls off the start, or stops the process. */
  stop(policy: StopPolicy, kill: boolean): void {
    this.#stopPolicy = policy
    this.#kill = kill
    this.#health?.close()
    this.#calledOff.abort(new DOMException('the service is to be stopped', 'AbortError'))
    if (this.#process) this.#escalate(this.#process, policy)
  }

  /** Sends SIGKILL, now or as soon as there is a process. To be called only once it is being stopped. */
  kill(): void {
    this.#kill = true
    this.#escalation?.kill()
  }

  /** Waits for the process's exit, whatever ended it. */
  async exited(process: ServiceProcess): Promise<ServiceExit> {
    try {
      this.#exit = await process.exited
    } catch (error) {
      // A process of which nothing more can be learned counts as exited.
      this.#exit = { code: 255, signal: null, cause: asMoorageError(error) }
    }
    this.#health?.close()
    this.#escalation?.[Symbol.dispose]()
    return this.#exit
  }

  #escalate(process: ServiceProcess, { stopSignal, stopTimeout }: StopPolicy): void {
    // It may have exited in this very turn, which its service has not noticed yet.
    if (this.#exit !== undefined) return
    const { clock, onTrouble } = this.#options
    this.#escalation = new Escalation({
      clock,
      signal: (name) => process.signal(name),
      stopSignal,
      stopTimeout,
      onTrouble,
    })
    if (this.#kill) this.#escalation.kill()
    else this.#escalation.ask()
  }
}

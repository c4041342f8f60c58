import { asMoorageError } from '../../errors/index.ts'
import type { Clock } from '../clock.ts'
import type { ServiceDriver, ServiceExit, ServiceProcess } from '../driver.ts'
import { Escalation } from '../escalation.ts'
import { type CheckNews, Health } from '../health/index.ts'

export interface RunOptions {
  clock: Clock
  driver: ServiceDriver
  /** Told what the start reports. */
  onReport: (detail: string) => void
  /** Told what its checks find. */
  onCheck: (check: CheckNews) => void
  /** Told when a signal could not be sent. */
  onTrouble: (error: unknown) => void
}

/** How a process is to be ended; milliseconds. */
export interface StopTerms {
  readonly stopSignal: string
  readonly stopTimeout: number
}

/** One process of a service, from its start to its exit. It does what its service decides. */
export class Run {
  readonly startedAt: number
  readonly #options: RunOptions
  readonly #calledOff = new AbortController()
  #detail: string | undefined
  #running: ServiceProcess | undefined
  #health: Health | undefined
  #escalation: Escalation | undefined
  #stopTerms: StopTerms | undefined
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

  get running(): ServiceProcess | undefined {
    return this.#running
  }

  /** Its checks, from the moment it runs, unless it was to be stopped before. */
  get health(): Health | undefined {
    return this.#health
  }

  get exit(): ServiceExit | undefined {
    return this.#exit
  }

  /** @throws what the driver throws; then there is no process */
  async start(): Promise<ServiceProcess> {
    const { clock, driver, onReport, onCheck } = this.#options
    const running = await driver.start({
      signal: this.#calledOff.signal,
      report: (detail) => {
        if (this.#running) return
        this.#detail = detail
        onReport(detail)
      },
    })
    this.#running = running
    // It may have come up although its start was called off.
    if (this.#stopTerms) this.#end(running, this.#stopTerms)
    else
      this.#health = new Health({
        clock,
        probe: (check, signal) => running.probe(check, signal),
        onAnswer: onCheck,
      })
    return running
  }

  /** Calls off the start, or ends the process. */
  stop(terms: StopTerms, kill: boolean): void {
    this.#stopTerms = terms
    this.#kill = kill
    this.#health?.close()
    this.#calledOff.abort(new DOMException('the service is to be stopped', 'AbortError'))
    if (this.#running) this.#end(this.#running, terms)
  }

  /** SIGKILL, now or as soon as there is a process; only once it is being stopped. */
  kill(): void {
    this.#kill = true
    this.#escalation?.kill()
  }

  /** The process's end, whatever ended it. */
  async ended(running: ServiceProcess): Promise<ServiceExit> {
    try {
      this.#exit = await running.exited
    } catch (error) {
      // A process of which nothing more can be learned counts as ended.
      this.#exit = { code: 255, signal: null, cause: asMoorageError(error) }
    }
    this.#health?.close()
    this.#escalation?.[Symbol.dispose]()
    return this.#exit
  }

  #end(running: ServiceProcess, { stopSignal, stopTimeout }: StopTerms): void {
    // It may have ended in this very turn, which its service has not noticed yet.
    if (this.#exit !== undefined) return
    const { clock, onTrouble } = this.#options
    this.#escalation = new Escalation({
      clock,
      signal: (name) => running.signal(name),
      stopSignal,
      stopTimeout,
      onTrouble,
    })
    if (this.#kill) this.#escalation.kill()
    else this.#escalation.ask()
  }
}

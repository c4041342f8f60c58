import type {
  AcquireOptions,
  CheckAnswer,
  Holder,
  ServiceCheck,
  ServiceDriver,
  ServiceExit,
  ServiceProcess,
  ServiceSnapshot,
  Services,
  ServicesOptions,
  StartContext,
} from '../../src/lifecycle/index.ts'
import { createServices, scopedKey } from '../../src/lifecycle/index.ts'
import { settled, VirtualClock } from './virtual-clock.ts'

/** A process that listens, exits and obeys as the test says. */
export class FakeProcess implements ServiceProcess {
  readonly address: string
  readonly exited: Promise<ServiceExit>
  readonly #exit: (exit: ServiceExit) => void
  /** Makes the wait for its exit fail. */
  readonly lose: (error: Error) => void
  readonly #driver: FakeDriver
  readonly listening: Set<number>
  readonly signals: string[] = []
  probes = 0
  /** Answers the checks; otherwise a port passes if it is among those that it listens on. */
  answer: ((check: ServiceCheck) => CheckAnswer | Promise<CheckAnswer>) | undefined
  released = 0
  ended = false

  constructor(driver: FakeDriver, address: string) {
    const { promise, resolve, reject } = Promise.withResolvers<ServiceExit>()
    this.#driver = driver
    this.address = address
    this.exited = promise
    this.#exit = resolve
    this.lose = reject
    this.listening = new Set(driver.listens)
  }

  exit(code: number, cause?: Error): void {
    this.ended = true
    this.#exit({ code, signal: null, ...(cause === undefined ? {} : { cause }) })
  }

  async probe(check: ServiceCheck): Promise<CheckAnswer> {
    this.probes += 1
    if (this.answer) return this.answer(check)
    const port = 'port' in check ? check.port : 0
    return this.listening.has(port) ? { ok: true } : { ok: false, answer: 'refused' }
  }

  async signal(name: string): Promise<void> {
    this.signals.push(name)
    if (this.#driver.ignores.includes(name)) return
    this.ended = true
    this.#exit({ code: name === 'SIGKILL' ? 137 : 143, signal: name })
  }

  async tail(): Promise<string> {
    return this.#driver.tail()
  }

  async release(): Promise<void> {
    this.released += 1
    await this.#driver.onRelease?.(this)
  }
}

/** One start, which goes on when the test says so. */
export interface FakeStart {
  readonly context: StartContext
  come(): void
  fail(error: Error): void
}

export class FakeDriver implements ServiceDriver {
  readonly label: string
  readonly hostname: string
  readonly describe: unknown
  /** Ports that new processes listen on. */
  listens: number[] = [80]
  /** Signals that its processes ignore. */
  ignores: string[] = []
  /** True: its starts wait for the test. */
  slow = false
  /** Called by each start, which may acquire services of its own here. */
  onStart: ((context: StartContext) => Promise<void>) | undefined
  onRelease: ((process: FakeProcess) => Promise<void>) | undefined
  tail: () => Promise<string> = async () => 'last words'
  readonly starts: FakeStart[] = []
  readonly processes: FakeProcess[] = []

  constructor(label: string) {
    this.label = label
    this.hostname = `${label}.moorage.internal`
    this.describe = { what: label }
  }

  /** The newest process. */
  get process(): FakeProcess {
    const process = this.processes.at(-1)
    if (!process) throw new Error(`${this.label} has not been started`)
    return process
  }

  /** The newest start. */
  get starting(): FakeStart {
    const start = this.starts.at(-1)
    if (!start) throw new Error(`nobody has started ${this.label}`)
    return start
  }

  async start(context: StartContext): Promise<ServiceProcess> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.starts.push({ context, come: resolve, fail: reject })
    context.signal.addEventListener('abort', () => reject(context.signal.reason), { once: true })
    context.report(`starting ${this.label}`)
    if (!this.slow) resolve()
    await promise
    await this.onStart?.(context)
    const process = new FakeProcess(this, `10.0.0.${this.processes.length + 1}`)
    this.processes.push(process)
    return process
  }
}

export interface World {
  readonly clock: VirtualClock
  readonly services: Services
  /** Every snapshot that the registry reported. */
  readonly rows: ServiceSnapshot[]
  /** Returns the states that a service has gone through, without repetitions. */
  states(key: string): string[]
}

export function world(options: Partial<ServicesOptions> = {}): World {
  const clock = new VirtualClock()
  const rows: ServiceSnapshot[] = []
  const services = createServices({ clock, onChange: (row) => rows.push(row), ...options })
  const states = (key: string) =>
    rows
      .filter((row) => row.key === key)
      .map(({ state }) => state)
      .filter((state, index, all) => state !== all[index - 1])
  return { clock, services, rows, states }
}

export const tcp = (port: number): ServiceCheck => ({ kind: 'tcp', port })

/** A run of this label as a holder. */
export const runHolder = (label: string): Holder => ({ kind: 'run', key: scopedKey('net', label), label })

/** A service of this label as a holder. */
export const serviceHolder = (label: string, scope = 'net'): Holder => ({
  kind: 'service',
  key: scopedKey(scope, label),
  label,
})

/** A client that waits for port 80, unless it says otherwise. */
export function client(options: Partial<AcquireOptions> = {}): AcquireOptions {
  return { holder: runHolder('client'), alias: 'www', checks: [tcp(80)], ...options }
}

/** Notes a promise's outcome, so that it can be looked at without waiting. */
export function watch<T>(promise: Promise<T>): {
  done: boolean
  value?: T
  error?: Error & { code?: string }
} {
  const seen: { done: boolean; value?: T; error?: Error & { code?: string } } = { done: false }
  promise.then(
    (value) => Object.assign(seen, { done: true, value }),
    (error) => Object.assign(seen, { done: true, error }),
  )
  return seen
}

export { settled }

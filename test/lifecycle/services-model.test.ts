/**
 * Random lives of a few services that use each other, and what must hold whatever happens: one process a key, nobody
 * left waiting, nothing left over. MOORAGE_TEST_SEED repeats a failure.
 */
import t from 'tap'
import { type Lease, scopedKey } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, serviceHolder, settled, tcp, type World, world } from './fake-service.ts'
import { Random, seed } from './random.ts'

/** The codes that a failure may have. */
const codes = ['SERVICE_EXITED', 'HEALTH_TIMEOUT', 'STOPPED_BY_REQUEST', 'DAEMON_STOPPING', 'INTERNAL']

class Life {
  readonly made: World = world()
  readonly drivers: FakeDriver[]
  readonly leases: Lease[] = []
  readonly callers: AbortController[] = []
  readonly problems: string[] = []
  readonly log: string[] = []
  readonly #random: Random
  pending = 0

  constructor(random: Random) {
    this.#random = random
    // app needs db, db needs disk.
    this.drivers = ['app', 'db', 'disk'].map((label) => new FakeDriver(label))
    this.drivers.forEach((driver, index) => {
      const below = this.drivers[index + 1]
      const held: Lease[] = []
      driver.onStart = async ({ signal }) => {
        if (this.#alive(driver) > 0) this.problems.push(`two processes of ${driver.label}`)
        if (below) held.push(await this.#acquire(below, { holder: serviceHolder(driver.label), signal }))
        if (random.chance(0.1)) {
          for (const lease of held.splice(0)) lease.release()
          throw new Error('no luck')
        }
      }
      driver.onRelease = async (process) => {
        if (!process.ended) this.problems.push(`${driver.label} was released while it ran`)
        for (const lease of held.splice(0)) lease.release()
      }
    })
  }

  #alive(driver: FakeDriver): number {
    return driver.processes.filter(({ ended, released }) => !ended || released === 0).length
  }

  #acquire(driver: FakeDriver, options: Partial<Parameters<typeof client>[0]>): Promise<Lease> {
    return this.made.services.acquire(
      `net/${driver.label}`,
      driver,
      client({ checks: this.#random.chance(0.8) ? [tcp(80)] : [tcp(90)], startTimeout: 3_000, ...options }),
    )
  }

  step(): void {
    const random = this.#random
    const driver = random.pick(this.drivers) as FakeDriver
    const key = scopedKey('net', driver.label)
    const dice = random.below(100)
    if (dice < 30) this.#arrive(driver)
    else if (dice < 45) {
      this.log.push('a lease is released')
      this.leases.splice(random.below(this.leases.length), 1)[0]?.release()
    } else if (dice < 55) {
      this.log.push('a caller goes')
      this.callers.splice(random.below(this.callers.length), 1)[0]?.abort(new Error('gone'))
    } else if (dice < 62) {
      this.log.push(`${driver.label} exits`)
      driver.processes.at(-1)?.exit(random.below(3))
    } else if (dice < 70)
      this.#request(`stop ${key}`, this.made.services.stop(key, { kill: random.chance(0.3) }))
    else if (dice < 76) this.#request(`restart ${key}`, this.made.services.restart(key))
    else if (dice < 82) driver.listens = random.chance(0.7) ? [80, 90] : [90]
    else if (dice < 86) driver.ignores = random.chance(0.3) ? ['SIGTERM'] : []
    else if (dice < 90) driver.slow = random.chance(0.4)
    else driver.starts.at(-1)?.come()
  }

  #arrive(driver: FakeDriver): void {
    const caller = new AbortController()
    this.callers.push(caller)
    this.log.push(`a client of ${driver.label} arrives`)
    this.pending += 1
    this.#acquire(driver, { signal: caller.signal, grace: this.#random.below(3) * 1_000 }).then(
      (lease) => {
        this.pending -= 1
        this.leases.push(lease)
      },
      (error: Error & { code?: string }) => {
        this.pending -= 1
        if (!codes.includes(error.code ?? '') && error.message !== 'gone') this.problems.push(`${error}`)
      },
    )
  }

  #request(what: string, promise: Promise<void>): void {
    this.log.push(what)
    this.pending += 1
    promise.then(
      () => {
        this.pending -= 1
      },
      (error: Error & { code?: string }) => {
        this.pending -= 1
        if (![...codes, 'SERVICE_NOT_RUNNING'].includes(error.code ?? '')) this.problems.push(`${error}`)
      },
    )
  }

  /** Lets everybody go, or drains everything; then nothing may be left. */
  async end(): Promise<void> {
    const { clock, services } = this.made
    if (this.#random.chance(0.5)) {
      this.log.push('drain')
      this.#request('drain', services.drain())
    } else {
      this.log.push('everybody goes')
      for (const caller of this.callers) caller.abort(new Error('gone'))
      await settled()
      for (const lease of this.leases.splice(0)) lease.release()
    }
    await clock.advance(120_000)
    for (const lease of this.leases.splice(0)) lease.release()
    await clock.advance(120_000)
    if (this.pending > 0) this.problems.push(`${this.pending} still wait`)
    if (clock.armed > 0) this.problems.push(`${clock.armed} timers are armed`)
    for (const { state, key, holders, stopsAt } of services.list()) {
      if (state !== 'stopped' && state !== 'failed') this.problems.push(`${key} is ${state}`)
      if (holders.length > 0 || stopsAt !== null) this.problems.push(`${key} is still held`)
    }
    for (const { label, processes } of this.drivers) {
      for (const process of processes) {
        if (!process.ended) this.problems.push(`a process of ${label} runs on`)
        if (process.released !== 1) this.problems.push(`${label} was released ${process.released} times`)
      }
    }
  }
}

t.test('whatever happens, one process a key, nobody left waiting, nothing left over', async (t) => {
  const lives = 400
  t.comment(`seed ${seed}`)
  for (let index = 0; index < lives; index += 1) {
    const random = new Random(seed + index)
    const life = new Life(random)
    for (let step = 0; step < 40; step += 1) {
      life.step()
      if (random.chance(0.5)) await life.made.clock.advance(random.below(4) ** 6)
      if (random.chance(0.3)) await settled()
    }
    await life.end()
    if (life.problems.length > 0) {
      t.fail(`life ${index} of seed ${seed}: ${life.problems.join('; ')}\n${life.log.join('\n')}`)
      return
    }
  }
  t.pass(`${lives} lives`)
})

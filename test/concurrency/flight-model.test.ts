/**
 * Flights against a model of their contract: random schedules of joins, cancellations, progress and ends, with and
 * without a pause between two events. MOORAGE_TEST_SEED repeats a failure.
 */
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { createFlights, type Flight } from '../../src/concurrency/index.ts'
import { Random, seed } from '../lifecycle/random.ts'
import { settled } from '../lifecycle/virtual-clock.ts'

type Outcome = `value ${string}` | `error ${string}` | 'pending'

/** The progress and the outcome of a caller: as they should be, and as they are. */
interface Caller {
  readonly name: string
  readonly key: string
  readonly abort: AbortController
  /** The number of the report on which its callback throws. */
  readonly throwsAt: number
  expected: { outcome: Outcome; told: string[] }
  actual: { outcome: Outcome; told: string[] }
}

interface ModelRun {
  readonly id: string
  readonly attached: Set<Caller>
  readonly progress: string[]
  unwinding: boolean
  /** The outcome that is decided, and noticed at the next pause. */
  end: Outcome | undefined
}

/** The contract, in its simplest form: no promise, no signal. */
class Model {
  readonly runs = new Map<string, ModelRun>()
  readonly queues = new Map<string, Caller[]>()
  started = 0

  join(caller: Caller): void {
    const run = this.runs.get(caller.key)
    if (run?.unwinding) this.queues.set(caller.key, [...(this.queues.get(caller.key) ?? []), caller])
    else this.#attach(run ?? this.#start(caller.key), caller)
  }

  leave(caller: Caller, error: string): void {
    if (caller.expected.outcome !== 'pending') return
    caller.expected.outcome = `error ${error}`
    const queue = this.queues.get(caller.key) ?? []
    this.queues.set(
      caller.key,
      queue.filter((waiting) => waiting !== caller),
    )
    const run = this.runs.get(caller.key)
    if (run?.attached.delete(caller) && run.attached.size === 0) run.unwinding = true
  }

  report(key: string, progress: string): void {
    const run = this.runs.get(key)
    if (!run) return
    run.progress.push(progress)
    for (const caller of [...run.attached]) this.#tell(caller, progress)
  }

  end(key: string, end: Outcome): void {
    const run = this.runs.get(key)
    if (run) run.end ??= end
  }

  /** Lets everything take effect that was decided. */
  pause(): void {
    for (const [key, run] of [...this.runs]) {
      if (run.end === undefined) continue
      this.runs.delete(key)
      for (const caller of run.attached) caller.expected.outcome = run.end
      const queue = this.queues.get(key) ?? []
      this.queues.delete(key)
      for (const caller of queue) this.join(caller)
    }
  }

  #start(key: string): ModelRun {
    const run = {
      id: `run ${this.started++}`,
      attached: new Set<Caller>(),
      progress: [],
      unwinding: false,
      end: undefined,
    }
    this.runs.set(key, run)
    return run
  }

  #attach(run: ModelRun, caller: Caller): void {
    run.attached.add(caller)
    for (const progress of run.progress) this.#tell(caller, progress)
  }

  #tell(caller: Caller, progress: string): void {
    if (caller.expected.outcome !== 'pending') return
    caller.expected.told.push(progress)
    if (caller.expected.told.length === caller.throwsAt) this.leave(caller, 'thrown')
  }
}

/** The real thing, driven by the same events. */
class Reality {
  readonly flights = createFlights()
  readonly works = new Map<string, { id: string; flight: Flight<string>; end: (outcome: Outcome) => void }>()
  started = 0

  join(caller: Caller): void {
    const { actual, key, throwsAt, abort } = caller
    const onProgress = (progress: string) => {
      actual.told.push(progress)
      if (actual.told.length === throwsAt) throw new Error('thrown')
    }
    this.flights
      .join<string, string>(key, (flight) => this.#work(key, flight), { signal: abort.signal, onProgress })
      .then(
        (value) => {
          actual.outcome = `value ${value}`
        },
        (error) => {
          actual.outcome = `error ${error.message}`
        },
      )
  }

  #work(key: string, flight: Flight<string>): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const end = (outcome: Outcome) => {
      if (outcome.startsWith('value ')) resolve(outcome.slice(6))
      else reject(new Error(outcome.slice(6)))
    }
    this.works.set(key, { id: `run ${this.started++}`, flight, end })
    return promise
  }
}

async function schedule(random: Random): Promise<string | undefined> {
  const model = new Model()
  const reality = new Reality()
  const callers: Caller[] = []
  const log: string[] = []
  const keys = ['a', 'b'].slice(0, 1 + random.below(2))
  const hurry = random.chance(0.5) ? 0.7 : 0

  const events = {
    join(key: string) {
      const caller: Caller = {
        name: `caller ${callers.length}`,
        key,
        abort: new AbortController(),
        throwsAt: random.chance(0.1) ? 1 + random.below(3) : 0,
        expected: { outcome: 'pending', told: [] },
        actual: { outcome: 'pending', told: [] },
      }
      callers.push(caller)
      log.push(`${caller.name} joins ${key}${caller.throwsAt ? `, throws at ${caller.throwsAt}` : ''}`)
      model.join(caller)
      reality.join(caller)
    },
    cancel() {
      const caller = random.pick(callers.filter(({ expected }) => expected.outcome === 'pending'))
      if (!caller) return
      log.push(`${caller.name} cancels`)
      model.leave(caller, `cancelled by ${caller.name}`)
      caller.abort.abort(new Error(`cancelled by ${caller.name}`))
    },
    report(key: string) {
      const run = model.runs.get(key)
      if (!run) return
      const progress = `${run.id} says ${run.progress.length}`
      log.push(progress)
      model.report(key, progress)
      reality.works.get(key)?.flight.report(progress)
    },
    end(key: string) {
      const run = model.runs.get(key)
      if (!run) return
      const outcome: Outcome = random.chance(0.6) ? `value ${run.id}` : `error ${run.id}`
      log.push(`${run.id} of ${key} ends: ${outcome}`)
      model.end(key, outcome)
      reality.works.get(key)?.end(outcome)
    },
  }

  const differs = () => {
    const seen = {
      started: reality.started,
      runs: keys.map((key) => reality.flights.callers(key)),
      size: reality.flights.size,
      aborted: [...model.runs.keys()].map((key) => reality.works.get(key)?.flight.signal.aborted),
      callers: callers.map(({ actual }) => actual),
    }
    const expected = {
      started: model.started,
      runs: keys.map((key) => model.runs.get(key)?.attached.size ?? 0),
      size: model.runs.size,
      aborted: [...model.runs.values()].map(({ unwinding }) => unwinding),
      callers: callers.map(({ expected }) => expected),
    }
    if (isDeepStrictEqual(seen, expected)) return undefined
    return `${log.join('\n')}\nexpected ${JSON.stringify(expected)}\nfound    ${JSON.stringify(seen)}`
  }

  for (let step = 0; step < 30; step += 1) {
    const key = random.pick(keys) as string
    const dice = random.below(100)
    if (dice < 40) events.join(key)
    else if (dice < 65) events.cancel()
    else if (dice < 80) events.report(key)
    else events.end(key)
    if (random.chance(hurry)) continue
    await settled()
    model.pause()
    const difference = differs()
    if (difference) return difference
  }
  // Everything that is left ends, and nothing remains.
  for (let round = 0; round < 2; round += 1) {
    for (const key of keys) events.end(key)
    await settled()
    model.pause()
  }
  if (model.runs.size > 0) return `${log.join('\n')}\nthe model has not ended`
  return differs()
}

t.test('flights do what their contract says, whatever happens in whatever order', async (t) => {
  const schedules = 3_000
  t.comment(`seed ${seed}`)
  for (let index = 0; index < schedules; index += 1) {
    const difference = await schedule(new Random(seed + index))
    if (difference) {
      t.fail(`schedule ${index} of seed ${seed}:\n${difference}`)
      return
    }
  }
  t.pass(`${schedules} schedules`)
})

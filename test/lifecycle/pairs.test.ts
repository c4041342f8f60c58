/**
 * Every pair of events in both orders, in every state, in the same turn, some microtasks apart, and with a pause between:
 * a model of the rules in docs/lifecycle.md says what must happen. Generated: nothing here is a chosen case.
 */
import { isDeepStrictEqual } from 'node:util'
import t from 'tap'
import { holderText, type Lease } from '../../src/lifecycle/index.ts'
import { transitions } from '../../src/lifecycle/service/state-machine.ts'
import { client, FakeDriver, settled, tcp, world } from './fake-service.ts'

const events = [
  /** A client that waits for nothing but the start. */
  'come',
  /** A client with a check that never passes. */
  'ask',
  /** All clients that wait go away. */
  'go',
  /** All clients with a lease release it. */
  'release',
  'stop',
  'kill',
  'restart',
  /** Somebody waits for what it has. */
  'hurry',
  /** The start that is under way has come to its process. */
  'up',
  'fail',
  'exit',
  'drain',
  /** 10 s: the grace, and the time from the stop signal, which no process here heeds, to SIGKILL. */
  'time',
] as const
type Event = (typeof events)[number]

/** The events that lead to each state. */
const scenes: Record<string, readonly Event[]> = {
  none: [],
  starting: ['come'],
  'starting, asked': ['ask'],
  checking: ['ask', 'up'],
  ready: ['come', 'up'],
  'ready, asked': ['come', 'up', 'ask'],
  grace: ['come', 'up', 'release'],
  stopping: ['come', 'up', 'stop'],
  'stopping, queued': ['come', 'up', 'stop', 'come'],
  'stopping, called off': ['ask', 'up', 'go'],
  restarting: ['come', 'up', 'restart'],
  'restarting, from the start': ['come', 'restart'],
  'restarting, from grace': ['come', 'up', 'release', 'restart'],
  'starting again, with a lease': ['come', 'up', 'restart', 'exit'],
  stopped: ['come', 'up', 'stop', 'exit'],
  failed: ['come', 'up', 'exit'],
  'failed to start': ['come', 'fail'],
  draining: ['come', 'up', 'drain'],
}

interface Client {
  /** Its check never passes. */
  readonly asks: boolean
  readonly kind: 'client' | 'restart'
  outcome: string
}

/** The time between two events: none, a few microtasks, or until all that follows from the first has happened. */
type Pace = 'turn' | 'microtasks' | 'pause'

/** The rules, in their simplest form: one service, no promise, no clock. */
class Model {
  state = 'none'
  starts = 0
  clients: Client[] = []
  #waiting: Client[] = []
  #queued: Client[] = []
  #leases: Client[] = []
  readonly #fresh = new Set<Client>()
  #ending: 'stopped' | 'restart' = 'stopped'
  /** The process has been told to come; it lives; it is exiting. */
  #coming = false
  #lives = false
  #exiting = false
  #failing = false
  #calledOff = false
  /** False once a client without a check has made it ready: a restart then needs no check to be ready again. */
  #readyAsks: boolean | undefined
  #draining = false

  event(event: Event): void {
    const running = ['starting', 'ready', 'grace'].includes(this.state)
    switch (event) {
      case 'come':
      case 'ask': {
        const client: Client = { asks: event === 'ask', kind: 'client', outcome: 'waiting' }
        this.clients.push(client)
        if (this.#draining) client.outcome = 'DAEMON_STOPPING'
        else this.#join(client)
        return
      }
      case 'go':
        for (const one of [...this.#waiting, ...this.#queued]) if (one.kind === 'client') one.outcome = 'gone'
        this.#waiting = this.#waiting.filter(({ kind }) => kind !== 'client')
        this.#queued = []
        this.#endIfUnwanted()
        return
      case 'release':
        // A client that has just been granted a lease does not know of it yet.
        if (this.#leases.every((one) => this.#fresh.has(one))) return
        this.#leases = this.#leases.filter((one) => this.#fresh.has(one))
        this.#endIfUnwanted()
        return
      case 'kill':
      case 'stop':
        this.#stop('STOPPED_BY_REQUEST')
        if (event === 'kill' && this.state === 'stopping') this.#kill()
        return
      case 'restart': {
        const restarting = this.state === 'stopping' && this.#ending === 'restart'
        const first = this.#waiting[0]
        const asks = this.#readyAsks ?? first?.asks ?? false
        const client: Client = { asks, kind: 'restart', outcome: 'waiting' }
        this.clients.push(client)
        if (this.#draining) client.outcome = 'DAEMON_STOPPING'
        else if (!running && !restarting) client.outcome = 'SERVICE_NOT_RUNNING'
        else {
          this.#waiting.push(client)
          if (running) this.#beginStop('restart')
        }
        return
      }
      case 'hurry':
        if (this.state === 'grace') this.#beginStop('stopped')
        return
      case 'up':
        if (this.state === 'starting' && !this.#lives && !this.#failing) this.#coming = true
        return
      case 'fail':
        if (this.state === 'starting' && !this.#lives && !this.#coming) this.#failing = true
        return
      case 'exit':
        if (this.#lives) this.#exiting = true
        return
      case 'drain':
        this.#draining = true
        for (const one of this.#queued) one.outcome = 'DAEMON_STOPPING'
        this.#queued = []
        this.#stop('DAEMON_STOPPING')
        return
      case 'time':
        if (this.state === 'grace') this.#beginStop('stopped')
        else if (this.state === 'stopping' && this.#lives) this.#kill()
    }
  }

  /** Lets everything happen that takes a turn. */
  settle(): void {
    for (;;) {
      if (this.#calledOff) {
        this.#calledOff = false
        // A process that was told to come before its start was called off comes.
        if (this.#coming) this.#lives = true
        this.#coming = this.#failing = false
        if (!this.#lives) this.#over()
      } else if (this.#failing) {
        this.#failing = false
        this.#fail('start failed')
      } else if (this.#coming) {
        this.#coming = false
        this.#lives = true
        this.#pass()
      } else if (this.#exiting) {
        this.#exiting = this.#lives = false
        if (this.state === 'stopping') this.#over()
        else this.#fail('SERVICE_EXITED')
      } else break
    }
    this.#fresh.clear()
  }

  #join(client: Client): void {
    if (this.state === 'stopping' && this.#ending === 'stopped') this.#queued.push(client)
    else if (['none', 'stopped', 'failed'].includes(this.state)) {
      this.#readyAsks = undefined
      this.#waiting.push(client)
      this.#start()
    } else {
      this.#waiting.push(client)
      if (this.state === 'grace') this.state = 'ready'
      this.#pass()
    }
  }

  #start(): void {
    this.starts += 1
    this.state = 'starting'
  }

  /** Gives the clients whose checks pass what they waited for. */
  #pass(): void {
    if (!this.#lives || this.state === 'stopping') return
    if (this.#leases.length > 0 && this.#readyAsks === false) this.state = 'ready'
    for (const one of this.#waiting.filter(({ asks }) => !asks)) {
      this.state = 'ready'
      this.#readyAsks ??= false
      this.#waiting.splice(this.#waiting.indexOf(one), 1)
      one.outcome = one.kind === 'restart' ? 'done' : 'lease'
      if (one.kind !== 'client') continue
      this.#leases.push(one)
      this.#fresh.add(one)
    }
    this.#endIfUnwanted()
  }

  #endIfUnwanted(): void {
    if (this.#leases.length > 0 || this.#waiting.length > 0) return
    if (this.state === 'ready') this.state = 'grace'
    else if (this.state === 'starting') this.#beginStop('stopped')
    else if (this.state === 'stopping') this.#ending = 'stopped'
  }

  #stop(code: string): void {
    const restarting = this.state === 'stopping' && this.#ending === 'restart'
    if (!['starting', 'ready', 'grace'].includes(this.state) && !restarting) return
    for (const one of this.#waiting) one.outcome = code
    this.#waiting = []
    this.#leases = []
    if (restarting) this.#ending = 'stopped'
    else this.#beginStop('stopped')
  }

  #beginStop(ending: 'stopped' | 'restart'): void {
    if (this.state === 'starting' && !this.#lives) this.#calledOff = true
    this.state = 'stopping'
    this.#ending = ending
  }

  #kill(): void {
    if (this.#lives || this.#coming) this.#exiting = true
  }

  #fail(outcome: string): void {
    for (const one of this.#waiting) one.outcome = outcome
    for (const one of this.#leases) one.outcome = `lost: ${outcome}`
    this.#waiting = []
    this.#leases = []
    this.state = 'failed'
  }

  #over(): void {
    if (this.#ending === 'restart') {
      this.#start()
      return
    }
    this.state = 'stopped'
    for (const one of this.#queued.splice(0)) this.#join(one)
  }
}

/** The real thing, driven by the same events. */
class Reality {
  readonly made = world()
  readonly db = new FakeDriver('db')
  readonly clients: { outcome: string }[] = []
  #callers: AbortController[] = []
  #leases: Lease[] = []

  constructor() {
    this.db.slow = true
    this.db.ignores = ['SIGTERM']
    this.db.listens = []
  }

  event(event: Event): void {
    const { services } = this.made
    const process = this.db.processes.at(-1)
    if (event === 'come' || event === 'ask') this.#come(event === 'ask')
    else if (event === 'go') {
      for (const caller of this.#callers.splice(0)) caller.abort(new Error('gone'))
    } else if (event === 'release') for (const lease of this.#leases.splice(0)) lease.release()
    else if (event === 'stop' || event === 'kill') {
      services.stop('net/db', { kill: event === 'kill' }).catch(() => t.fail('a stop fails'))
    } else if (event === 'restart') this.#restart()
    else if (event === 'hurry') services.hurry('net/db')
    else if (event === 'up') this.db.starts.at(-1)?.come()
    else if (event === 'fail') this.db.starts.at(-1)?.fail(new Error('no luck'))
    else if (event === 'exit') {
      if (process && !process.ended) process.exit(7)
    } else if (event === 'drain') services.drain().catch(() => t.fail('a drain fails'))
  }

  async settle(): Promise<void> {
    await settled()
    await settled()
  }

  #come(asks: boolean): void {
    const caller = new AbortController()
    const seen = { outcome: 'waiting' }
    this.clients.push(seen)
    this.#callers.push(caller)
    const checks = asks ? [tcp(80)] : []
    this.made.services.acquire('net/db', this.db, client({ checks, signal: caller.signal })).then(
      (lease) => {
        seen.outcome = 'lease'
        this.#leases.push(lease)
        void lease.lost.then((error) => {
          seen.outcome = `lost: ${error.code}`
        })
      },
      (error) => {
        seen.outcome = outcomeOf(error)
      },
    )
  }

  #restart(): void {
    const seen = { outcome: 'waiting' }
    this.clients.push(seen)
    this.made.services.restart('net/db').then(
      () => {
        seen.outcome = 'done'
      },
      (error) => {
        seen.outcome = outcomeOf(error)
      },
    )
  }

  /** Lets everybody go; then nothing may be left. */
  async end(): Promise<string[]> {
    const { clock, services } = this.made
    this.event('go')
    this.event('release')
    this.db.slow = false
    this.db.starts.at(-1)?.come()
    for (let round = 0; round < 8; round += 1) {
      await clock.advance(60_000)
      this.event('release')
    }
    const { processes } = this.db
    return [
      ...(clock.armed > 0 ? [`${clock.armed} timers are armed`] : []),
      ...(processes.some(({ ended }) => !ended) ? ['a process runs on'] : []),
      ...(processes.some(({ released }) => released !== 1) ? ['a process was not released once'] : []),
      ...this.clients.filter(({ outcome }) => outcome === 'waiting').map(() => 'somebody still waits'),
      ...services.list().flatMap(({ holders }) => holders.map(holderText)),
      ...this.#forbidden(),
    ]
  }

  #forbidden(): string[] {
    const states = this.made.states('net/db')
    return states.flatMap((state, index) => {
      const before = states[index - 1]
      if (before === undefined || before === 'stopped' || before === 'failed') return []
      const allowed = transitions[before as keyof typeof transitions] as readonly string[]
      return allowed.includes(state) ? [] : [`from ${before} to ${state}`]
    })
  }
}

function outcomeOf(error: Error & { code?: string }): string {
  if (error.message.endsWith('no luck')) return 'start failed'
  return error.code ?? error.message
}

async function play(
  scene: readonly Event[],
  pair: readonly Event[],
  pace: Pace,
): Promise<string | undefined> {
  const model = new Model()
  const reality = new Reality()
  const settle = async () => {
    await reality.settle()
    model.settle()
  }
  const happen = async (event: Event) => {
    model.event(event)
    reality.event(event)
    if (event === 'time') await reality.made.clock.advance(10_000)
  }
  const differs = () => {
    const { services } = reality.made
    const row = services.get('net/db')
    const found = {
      state: row?.state ?? 'none',
      starts: reality.db.starts.length,
      clients: reality.clients.map(({ outcome }) => outcome),
    }
    // The code of a failed start is the catalogue's; here the words do.
    const expected = {
      state: model.state,
      starts: model.starts,
      clients: model.clients.map(({ outcome }) => outcome.replace('lost: start failed', 'lost: INTERNAL')),
    }
    return isDeepStrictEqual(found, expected)
      ? undefined
      : `expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`
  }
  for (const event of scene) {
    await happen(event)
    await settle()
  }
  const before = differs()
  if (before) return `the scene itself: ${before}`
  for (const event of pair) {
    const over = happen(event)
    // In the same turn: not even a microtask between.
    if (pace !== 'turn') await over
    if (pace === 'pause') await settle()
  }
  await settle()
  const left = differs() ?? (await reality.end()).join('; ')
  return left === '' ? undefined : left
}

t.test('every pair of events, in both orders, in every state', { timeout: 120_000 }, async (t) => {
  let played = 0
  const wrong: string[] = []
  for (const [name, scene] of Object.entries(scenes)) {
    for (const first of events) {
      for (const second of events) {
        for (const pace of ['turn', 'microtasks', 'pause'] as const) {
          // Time takes turns.
          if (pace !== 'pause' && (first === 'time' || second === 'time')) continue
          played += 1
          const difference = await play(scene, [first, second], pace)
          if (difference) wrong.push(`${name}: ${first}, ${second} (${pace}): ${difference}`)
        }
      }
    }
  }
  t.comment(`${played} plays of ${events.length} events in ${Object.keys(scenes).length} states`)
  t.strictSame(wrong, [])
})

t.test('every transition happens in some play', async (t) => {
  const seen = new Set<string>()
  for (const scene of Object.values(scenes)) {
    for (const event of events) {
      const reality = new Reality()
      for (const one of [...scene, event]) {
        reality.event(one)
        if (one === 'time') await reality.made.clock.advance(10_000)
        await reality.settle()
      }
      await reality.end()
      const states = reality.made.states('net/db')
      states.forEach((state, index) => void seen.add(`${states[index - 1] ?? 'pending'} -> ${state}`))
    }
  }
  const all = Object.entries(transitions).flatMap(([from, to]) => to.map((state) => `${from} -> ${state}`))
  t.strictSame(
    all.filter((one) => !seen.has(one)),
    [],
  )
})

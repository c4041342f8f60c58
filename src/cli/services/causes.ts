import type {
  Explanation,
  ProgressEvent,
  RunRow,
  ServiceProgress,
  ServiceRow,
} from '../../definition/index.ts'
import { age, span, timeLeft } from '../printing/duration-text.ts'
import { holderText, reasonOf } from './event-words.ts'

/** The facts about a service or a run from which its causes follow. */
export interface Facts {
  service?: ServiceRow
  run?: RunRow
  /** The events of its last lives, in order. */
  history: readonly ProgressEvent[]
  /** Other live services that go by one of its names. */
  namesakes: readonly { row: ServiceRow; difference: Explanation | undefined }[]
  /** The last line of its log. */
  lastWords?: string
  now: number
}

/** An effect and its cause: `started because`, `run h1u8v0k2m4p6 wants it`. */
type Cause = readonly [effect: string, cause: string]

/** Returns the chain of causes, in the order in which one would ask. */
export function causesOf(facts: Facts): Cause[] {
  return facts.service ? causesOfService(facts.service, facts) : causesOfRun(facts)
}

function causesOfService(row: ServiceRow, { history, namesakes, lastWords, now }: Facts): Cause[] {
  const states = history.filter(
    (event): event is ServiceProgress => event.kind === 'service' && event.because !== undefined,
  )
  const ago = ({ time }: ProgressEvent) => `${age(now - time)} ago`
  const causes: Cause[] = []
  const alive = !['stopped', 'failed', 'stopping'].includes(row.state)

  const started = states.findLast(({ state }) => state === 'starting')
  if (started) causes.push(['started because', startOf(started, states, now)])
  if (alive)
    for (const holder of row.clients)
      causes.push(['alive because', `${holderText(holder)} holds it or waits for it`])

  // What was before belongs to an earlier life.
  const begun = started?.seq ?? 0
  const life = history.filter(({ seq }) => seq > begun)
  const checks = new Map<string, Extract<ProgressEvent, { kind: 'check' }>>()
  for (const event of life) if (event.kind === 'check') checks.set(event.check, event)
  for (const { check, state, count, answer, time } of checks.values()) {
    const times = count === 1 ? 'the first check' : `${count} checks`
    if (state === 'passing')
      causes.push([
        'healthy because',
        `${check} passed after ${times}, ${span(time - (started?.time ?? time))} after the start`,
      ])
    else causes.push(['unhealthy because', `${check}: ${answer ?? state}${alive ? `; ${row.health}` : ''}`])
  }

  for (const { row: other, difference } of namesakes) {
    const fields = difference?.differences.map(({ field }) => field).join(', ')
    const why =
      other.network === row.network
        ? `its definition is another one${fields ? ` (${fields})` : ''}`
        : `its network is ${other.network}`
    causes.push(['not shared because', `${other.id} is called ${other.name} too, but ${why}`])
  }

  const ending = states.findLast(({ state, seq }) => state === 'stopping' && seq > begun)
  const unused = states.findLast(({ state, seq }) => state === 'grace' && seq > begun)
  if (row.state === 'grace') {
    const left = row.stopsAt === null ? '' : `; its grace ends in ${timeLeft(row.stopsAt, now)}`
    causes.push(['stops because', `nobody uses it${lastUse(life, now)}${left}`])
  } else if (ending) {
    const before = ending.because === 'grace-over' && unused ? `, unused since ${ago(unused)}` : ''
    causes.push([
      // Why it failed comes next.
      `${row.error === null ? row.state : 'ended'} because`,
      `${reasonOf(ending)}, ${ago(ending)}${before}${lastUse(life, now)}`,
    ])
  }
  if (row.error !== null) causes.push(['failed because', row.error])
  if (row.state === 'failed' && lastWords !== undefined) causes.push(['its last line', lastWords])
  return causes
}

/** Says why it was started: after restarts, for whom at first, and how often since. */
function startOf(started: ServiceProgress, states: readonly ServiceProgress[], now: number): string {
  const when = (event: ProgressEvent) => `${age(now - event.time)} ago`
  if (started.because !== 'restart') return `${reasonOf(started)}, ${when(started)}`
  const starts = states.filter(({ state, seq }) => state === 'starting' && seq <= started.seq)
  const first = starts.findLastIndex(({ because }) => because !== 'restart')
  const times = starts.length - 1 - first
  const how = `somebody asked for a restart, ${when(started)}`
  const often = times < 2 ? '' : `, ${times} times in all`
  const origin = starts[first]
  return origin === undefined
    ? `${how}${often}`
    : `${how}${often}; first because ${reasonOf(origin)}, ${when(origin)}`
}

/** Returns who held it last, if the history knows. */
function lastUse(history: readonly ProgressEvent[], now: number): string {
  const last = history.findLast((event) => event.kind === 'lease' && event.state === 'released')
  if (last?.kind !== 'lease') return ''
  return `; ${holderText(last.holder)} was the last, ${age(now - last.time)} ago`
}

function causesOfRun({ run, history, now }: Facts): Cause[] {
  const events = history.filter((event) => event.kind === 'exec')
  const causes: Cause[] = []
  const ago = ({ time }: ProgressEvent) => `${age(now - time)} ago`
  const waiting = events.findLast(({ state }) => state === 'waiting')
  // A result that was stored started nothing: what was before belongs to an earlier life.
  if (waiting && events.at(-1)?.state !== 'cached')
    causes.push(['started because', `somebody asked for it and no result of it was stored, ${ago(waiting)}`])
  const last = events.at(-1)
  if (last?.state === 'waiting')
    causes.push(['waits because', 'what it stands on or its services are not ready'])
  if (last?.state === 'cached')
    causes.push(['not run because', `a run ${age(last.age ?? 0)} before had its result, ${ago(last)}`])
  if (last?.state === 'done')
    causes.push(['ended because', `it exited with code ${last.exitCode ?? 0}, ${ago(last)}`])
  if (last?.state === 'failed') causes.push(['failed because', `${last.detail ?? 'it failed'}, ${ago(last)}`])
  if (run?.state === 'running')
    causes.push([
      'runs because',
      `${run.callers} ${run.callers === 1 ? 'caller waits' : 'callers wait'} for it`,
    ])
  return causes
}

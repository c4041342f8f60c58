import type { ProgressEvent } from '../../definition/index.ts'
import { holderText, reasonOf } from '../services/event-words.ts'

/** The state of a step, which decides its mark and its colour. */
export type Standing = 'waiting' | 'working' | 'done' | 'ending' | 'failed'

/** An image, a download, a command or a service, as the tree shows it. */
export interface ProgressStep {
  readonly key: string
  readonly kind: 'image' | 'http' | 'exec' | 'service'
  name: string
  standing: Standing
  /** A few words about its state. */
  words: string
  bytes?: { done: number; total: number }
  begun: number
  /** The time of its end, in milliseconds since the epoch; from then on its duration stands still. */
  ended?: number
  /** Key of the step that needs it. */
  parent?: string
}

/** The progress of a call as steps, in the order in which they appeared. */
export class Steps {
  readonly #steps = new Map<string, ProgressStep>()

  get all(): readonly ProgressStep[] {
    return [...this.#steps.values()]
  }

  apply(event: ProgressEvent): void {
    const kind =
      event.kind === 'wait' || event.kind === 'check' || event.kind === 'lease' ? 'service' : event.kind
    const step = this.#step(kind, event)
    if (event.kind === 'image') {
      if (event.bytes && event.state === 'running') step.bytes = event.bytes
      else delete step.bytes
    }
    if ((event.kind === 'wait' || event.kind === 'lease') && event.state !== 'released') {
      step.name = event.alias ?? step.name
      this.#putBelow(step, event.holder)
    }
    if (event.kind === 'wait') {
      if (step.standing !== 'done') step.words = event.detail
    } else if (event.kind === 'check') {
      if (step.standing === 'working' && event.state !== 'passing')
        step.words = `${event.check} ${event.answer ?? event.state}`
    } else {
      const change = changeOf(event)
      if (change === undefined) return
      Object.assign(step, change)
      if (step.standing === 'done' || step.standing === 'failed') step.ended ??= event.time
      else delete step.ended
    }
  }

  #step(kind: ProgressStep['kind'], { id, name, time }: ProgressEvent): ProgressStep {
    const key = `${kind} ${id}`
    const earlier = this.#steps.get(key)
    if (earlier) return earlier
    const step: ProgressStep = { key, kind, name, standing: 'waiting', words: '', begun: time }
    this.#steps.set(key, step)
    return step
  }

  /** `run <label>` and `service <label>` are steps; a session or a pin is none. */
  #putBelow(step: ProgressStep, holder: string): void {
    const key = holder.replace(/^run /, 'exec ')
    if (step.parent === undefined && this.#steps.has(key) && !this.#descends(key, step.key)) step.parent = key
  }

  #descends(key: string, from: string): boolean {
    for (let at: string | undefined = key; at !== undefined; at = this.#steps.get(at)?.parent) {
      if (at === from) return true
    }
    return false
  }
}

/**
 * Shortens the links of a chain in front of the cause, for a line that has little room: `start c2f0….moorage.internal
 * (aliased as www): …` becomes `www: …`, or nothing where there is no alias.
 */
function withoutBreadcrumbs(message: string): string {
  return message.replace(
    /(?:start|service) [\w.-]+(?: \(aliased as ([^)]+)\))?: /g,
    (_, alias: string | undefined) => (alias === undefined ? '' : `${alias}: `),
  )
}

type Change = Pick<ProgressStep, 'standing' | 'words'>

/** Returns the change that an event makes to its step; undefined if it reports only on other steps. */
function changeOf(event: Exclude<ProgressEvent, { kind: 'wait' | 'check' }>): Change | undefined {
  const { kind, state } = event
  if (kind === 'image') {
    if (state === 'running') return { standing: 'working', words: event.detail ?? 'fetching' }
    return { standing: state, words: state === 'done' ? '' : (event.detail ?? 'failed') }
  }
  if (kind === 'http') {
    if (state === 'running') return { standing: 'working', words: event.detail ?? 'fetching' }
    if (state === 'failed') return { standing: 'failed', words: event.detail ?? 'failed' }
    return { standing: 'done', words: '' }
  }
  if (kind === 'exec') {
    if (state === 'waiting') return { standing: 'waiting', words: 'waiting' }
    if (state === 'running') return { standing: 'working', words: '' }
    if (state === 'failed') return { standing: 'failed', words: withoutBreadcrumbs(event.detail ?? 'failed') }
    const code = event.exitCode ? `exit code ${event.exitCode}` : ''
    return { standing: 'done', words: state === 'cached' ? 'cached' : code }
  }
  if (kind === 'lease') {
    return state === 'lost' ? { standing: 'failed', words: `lost to ${holderText(event.holder)}` } : undefined
  }
  if (event.detail !== undefined) return { standing: 'working', words: event.detail }
  if (state === 'ready')
    return { standing: 'done', words: event.address === undefined ? 'ready' : `ready, ${event.address}` }
  if (state === 'failed') return { standing: 'failed', words: withoutBreadcrumbs(event.error ?? 'failed') }
  if (state === 'pending' || state === 'starting')
    return { standing: 'working', words: event.because === 'restart' ? 'starting again' : 'starting' }
  return { standing: 'ending', words: `${state}: ${reasonOf(event)}` }
}

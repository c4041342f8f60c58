import type { ProgressEvent } from '../../definition/index.ts'

/** Of one subject: how many events of states and checks, and how many of leases and waits, are remembered. */
const remembered = 100

/** How many subjects that have ended are remembered. */
const endedKept = 2_000

/** What is remembered of one image, run or service: its last lives. */
export interface Story {
  readonly states: readonly ProgressEvent[]
  /** Leases and waits apart, so that a busy service does not forget why it runs. */
  readonly holders: readonly ProgressEvent[]
  /** The number of the event that its life began with; undefined once that has ended. */
  readonly begun: number | undefined
}

interface Kept extends Story {
  readonly states: ProgressEvent[]
  readonly holders: ProgressEvent[]
  begun: number | undefined
}

/**
 * The events by whom they are about, kept longer than in the log: so that a late caller of a run is told of it from
 * the start, and `moorage why` knows.
 */
export class Stories {
  readonly #stories = new Map<string, Kept>()
  /** Keys in the order of their ends. */
  readonly #ended = new Set<string>()

  add(event: ProgressEvent): void {
    const key = keyOf(isOfService(event), event.network, event.id)
    const story = this.#stories.get(key) ?? { states: [], holders: [], begun: undefined }
    this.#stories.set(key, story)
    if (event.kind === 'lease' || event.kind === 'wait') append(story.holders, event)
    else {
      // Of a download only the last word counts.
      const last = story.states.at(-1)
      if (event.kind === 'image' && event.bytes && last?.kind === 'image' && last.bytes) story.states.pop()
      append(story.states, event)
      if (isEnd(event)) story.begun = undefined
      else story.begun ??= event.seq
    }
    this.#ended.delete(key)
    if (story.begun === undefined) this.#bury(key)
  }

  /** The run and the service of a label, or the image of a reference: those that are shared by all, and the network's. */
  of(id: string, network: string): Story[] {
    const keys = [keyOf(false, undefined, id), keyOf(false, network, id), keyOf(true, network, id)]
    return keys.flatMap((key) => this.#stories.get(key) ?? [])
  }

  #bury(key: string): void {
    this.#ended.add(key)
    for (const oldest of this.#ended) {
      if (this.#ended.size <= endedKept) return
      this.#ended.delete(oldest)
      this.#stories.delete(oldest)
    }
  }
}

/** A command that is run and a service of the same definition have the same label. */
export function isOfService({ kind }: ProgressEvent): boolean {
  return kind !== 'image' && kind !== 'exec' && kind !== 'http'
}

function keyOf(service: boolean, network: string | undefined, id: string): string {
  return `${service ? 'service' : 'run'} ${network ?? ''}/${id}`
}

function append(events: ProgressEvent[], event: ProgressEvent): void {
  if (events.length === remembered) events.shift()
  events.push(event)
}

function isEnd({ kind, state }: ProgressEvent): boolean {
  if (kind === 'service') return state === 'stopped' || state === 'failed'
  if (kind === 'check') return false
  return state === 'done' || state === 'cached' || state === 'failed'
}

/** @returns the same array */
export function inOrder(events: ProgressEvent[]): ProgressEvent[] {
  return events.sort((a, b) => a.seq - b.seq)
}

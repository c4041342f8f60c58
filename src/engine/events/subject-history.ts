import type { ProgressEvent } from '../../definition/index.ts'

/** Of one subject, so many events of states and checks are kept, and so many of leases and waits. */
const eventsPerSubject = 100

/** Number of ended subjects that are kept. */
const endedSubjects = 2_000

/** The events of one image, run or service: of its present life and its last ones. */
interface SubjectHistory {
  readonly states: readonly ProgressEvent[]
  /** Leases and waits, apart from the states, so that those of a busy service are not pushed out. */
  readonly holders: readonly ProgressEvent[]
  /** The number of the event with which its present life began; undefined once that has ended. */
  readonly begun: number | undefined
}

interface Kept extends SubjectHistory {
  readonly states: ProgressEvent[]
  readonly holders: ProgressEvent[]
  begun: number | undefined
}

/**
 * Events by their subject, kept longer than in the log: so that a late caller of a run gets its events from the start,
 * and `moorage why` can answer.
 */
export class EventHistory {
  readonly #subjects = new Map<string, Kept>()
  /** Keys in the order of their ends. */
  readonly #ended = new Set<string>()

  add(event: ProgressEvent): void {
    const key = keyOf(isOfService(event), event.network, event.id)
    const subject = this.#subjects.get(key) ?? { states: [], holders: [], begun: undefined }
    this.#subjects.set(key, subject)
    if (event.kind === 'lease' || event.kind === 'wait') append(subject.holders, event)
    else {
      // Of a download's progress only the newest event is kept.
      const last = subject.states.at(-1)
      if (event.kind === 'image' && event.bytes && last?.kind === 'image' && last.bytes) subject.states.pop()
      append(subject.states, event)
      if (isEnd(event)) subject.begun = undefined
      else subject.begun ??= event.seq
    }
    this.#ended.delete(key)
    if (subject.begun === undefined) this.#limitEnded(key)
  }

  /**
   * Returns the histories of an id: of the run and the service of a label, or of the image of a reference. Those of
   * the network, and those that all networks share.
   */
  of(id: string, network: string): SubjectHistory[] {
    const keys = [keyOf(false, undefined, id), keyOf(false, network, id), keyOf(true, network, id)]
    return keys.flatMap((key) => this.#subjects.get(key) ?? [])
  }

  #limitEnded(key: string): void {
    this.#ended.add(key)
    for (const oldest of this.#ended) {
      if (this.#ended.size <= endedSubjects) return
      this.#ended.delete(oldest)
      this.#subjects.delete(oldest)
    }
  }
}

/** Tells apart a command that is run and a service of the same definition: both have the same label. */
export function isOfService({ kind }: ProgressEvent): boolean {
  return kind !== 'image' && kind !== 'exec' && kind !== 'http'
}

function keyOf(service: boolean, network: string | undefined, id: string): string {
  return `${service ? 'service' : 'run'} ${network ?? ''}/${id}`
}

function append(events: ProgressEvent[], event: ProgressEvent): void {
  if (events.length === eventsPerSubject) events.shift()
  events.push(event)
}

function isEnd({ kind, state }: ProgressEvent): boolean {
  if (kind === 'service') return state === 'stopped' || state === 'failed'
  if (kind === 'check') return false
  return state === 'done' || state === 'cached' || state === 'failed'
}

/** Sorts by number, in place. @returns the same array */
export function inOrder(events: ProgressEvent[]): ProgressEvent[] {
  return events.sort((a, b) => a.seq - b.seq)
}

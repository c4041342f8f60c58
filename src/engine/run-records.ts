import { rm } from 'node:fs/promises'
import type { RunRow } from '../definition/index.ts'

/** How many ended runs, and logs of ended services, are remembered. */
const kept = 100

/** A run of a container, service or not, as people ask for it: what it is, and where its output lies. */
export interface RunRecord {
  /** The container's id: label and a running number. */
  readonly id: string
  readonly label: string
  readonly kind: 'exec' | 'service'
  readonly row: RunRow
  /** The directory of its log; follows it when it is moved into the store. */
  logs: string
  /** Resolves when no more output can come. */
  readonly ended: AbortSignal
  /** Its log belongs to a stored result now, and goes with that. */
  stored: boolean
}

/** The runs that go on, and the last that have ended. */
export class RunRecords {
  readonly #records: RunRecord[] = []
  #counter = 0

  /** An id that no other container of this daemon had. */
  nextId(label: string): string {
    this.#counter += 1
    return `${label}-${this.#counter.toString(36)}`
  }

  add(record: RunRecord): void {
    this.#records.push(record)
    const ended = this.#records.filter((one) => one.ended.aborted)
    for (const old of ended.slice(0, Math.max(0, ended.length - kept))) {
      this.#records.splice(this.#records.indexOf(old), 1)
      // Nobody waits for it: what cannot be removed now is swept with the temporary directories at the next start.
      if (!old.stored) void rm(old.logs, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  /** Newest first. */
  list(): RunRecord[] {
    return this.#records.toReversed()
  }

  latest(label: string, kind: RunRecord['kind']): RunRecord | undefined {
    return this.#records.findLast((record) => record.label === label && record.kind === kind)
  }
}

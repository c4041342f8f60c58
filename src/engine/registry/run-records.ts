import { rm } from 'node:fs/promises'
import type { RunRow } from '../../definition/index.ts'
import { type LogDirectory, openLogDirectory } from '../../logs/index.ts'
import type { RunningContainer } from '../../runtime/runtime.ts'
import type { PlannedExec } from '../plan/planned.ts'

/** How many ended runs, and logs of ended services, are remembered. */
const kept = 100

/** A run of a container, service or not, as people ask for it: what it is, and where its output lies. */
export interface RunRecord {
  /** The container's id: label and a running number. */
  readonly id: string
  readonly label: string
  readonly kind: 'exec' | 'service'
  readonly row: RunRow
  readonly exec: PlannedExec
  /** The directory of its log; follows it when it is moved into the store. */
  logs: string
  /** Resolves when no more output can come. */
  readonly ended: AbortSignal
  /** Once it has been started. */
  container?: Pick<RunningContainer, 'exec'>
  /** Its log belongs to a stored result now, and goes with that. */
  stored: boolean
}

/** The runs that go on, and the last that have ended. */
export class RunRecords implements Disposable {
  readonly #records: RunRecord[] = []
  /** Held open, so that who comes while a log is moved finds it. */
  readonly #logs = new Map<RunRecord, LogDirectory>()
  #added = Promise.withResolvers<void>()
  #counter = 0

  /** An id that no other container of this daemon had. */
  nextId(label: string): string {
    this.#counter += 1
    return `${label}-${this.#counter.toString(36)}`
  }

  add(record: RunRecord): void {
    this.#records.push(record)
    this.#logs.set(record, openLogDirectory(record.logs))
    this.#added.resolve()
    this.#added = Promise.withResolvers()
    const ended = this.#records.filter((one) => one.ended.aborted)
    for (const old of ended.slice(0, Math.max(0, ended.length - kept))) {
      this.#records.splice(this.#records.indexOf(old), 1)
      this.#logs.get(old)?.[Symbol.dispose]()
      this.#logs.delete(old)
      // Nobody waits for it: what cannot be removed now is swept with the temporary directories at the next start.
      if (!old.stored) void rm(old.logs, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  /** Newest first. */
  list(): RunRecord[] {
    return this.#records.toReversed()
  }

  /** The path of a run's log, wherever that is now. */
  logOf(record: RunRecord): string {
    return this.#logs.get(record)?.path ?? record.logs
  }

  /** All that are remembered of the service or command that this one is a run of, the oldest first. */
  siblings({ label, kind, row }: RunRecord): RunRecord[] {
    return this.#records.filter(
      (one) => one.label === label && one.kind === kind && one.row.network === row.network,
    )
  }

  /** Resolves when there is another. */
  more(): Promise<void> {
    return this.#added.promise
  }

  [Symbol.dispose](): void {
    for (const log of this.#logs.values()) log[Symbol.dispose]()
    this.#logs.clear()
  }

  latest(label: string, kind: RunRecord['kind']): RunRecord | undefined {
    return this.#records.findLast((record) => record.label === label && record.kind === kind)
  }
}

import { rm } from 'node:fs/promises'
import type { RunRow } from '../../definition/index.ts'
import { type LogDirectory, openLogDirectory } from '../../logs/index.ts'
import type { RunningContainer } from '../../runtime/runtime.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { ReaderPace } from './reader-pace.ts'

/** Number of ended runs, of commands and services, that are remembered with their logs. */
const endedRecords = 100

/** A run of a container, of a service or a command: its row, and the place of its output. */
export interface RunRecord {
  /** The container's id: the label and a number. */
  readonly id: string
  readonly label: string
  readonly kind: 'exec' | 'service'
  readonly row: RunRow
  readonly exec: PlannedExec
  /** The directory of its log; changed when the log is moved into the store. */
  logs: string
  /** Aborted when no more output can come. */
  readonly ended: AbortSignal
  /** Of a command: paces its output by those who are attached. */
  readonly pace?: ReaderPace
  /** Set once it has been started. */
  container?: Pick<RunningContainer, 'exec'>
  /** True once it is being ended because nobody wants it any more. */
  cancelled: boolean
  /** True once its log belongs to a stored result, and is removed with that. */
  stored: boolean
}

/** The runs that are under way, and the last that have ended. */
export class RunRecords implements Disposable {
  readonly #records: RunRecord[] = []
  /** Held open, so that a reader who comes while a log is moved finds it. */
  readonly #logs = new Map<RunRecord, LogDirectory>()
  #added = Promise.withResolvers<void>()
  #counter = 0

  /** Returns an id that no other container of this daemon had. */
  nextId(label: string): string {
    this.#counter += 1
    return `${label}-${this.#counter.toString(36)}`
  }

  add(record: RunRecord): void {
    this.#records.push(record)
    this.#logs.set(record, openLogDirectory(record.logs))
    this.#added.resolve()
    this.#added = Promise.withResolvers()
    const ended = this.#records.filter(({ ended }) => ended.aborted)
    for (const old of ended.slice(0, Math.max(0, ended.length - endedRecords))) {
      this.#records.splice(this.#records.indexOf(old), 1)
      this.#logs.get(old)?.[Symbol.dispose]()
      this.#logs.delete(old)
      // Not awaited: what cannot be removed now is swept with the temporary directories at the next start.
      if (!old.stored) void rm(old.logs, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  /** Returns all, the newest first. */
  list(): RunRecord[] {
    return this.#records.toReversed()
  }

  /** Returns the present path of a run's log. */
  logOf(record: RunRecord): string {
    return this.#logs.get(record)?.path ?? record.logs
  }

  /** Returns all remembered runs of the same service or command, the oldest first. */
  siblings({ label, kind, row }: RunRecord): RunRecord[] {
    return this.#records.filter(
      (record) => record.label === label && record.kind === kind && record.row.network === row.network,
    )
  }

  /** Resolves when the next record is added. */
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

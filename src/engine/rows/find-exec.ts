import type { ServiceRow } from '../../definition/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { findRow } from './find-row.ts'
import { isLive } from './service-row.ts'

/** An exec, and the network in which it is meant. */
export interface FoundExec {
  exec: PlannedExec
  network: string
}

/** A service or a run that is remembered, with the names that people use for it. */
interface Candidate extends FoundExec {
  id: string
  label: string
  names: readonly string[]
  live: boolean
  /** The time of its last change, in milliseconds since the epoch. */
  since: number
}

/**
 * Finds the exec of the service or the run that a person means; of several that have ended, the newest. A service and a
 * run of one label are one: they have the same definition, and share their history.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findExec(
  id: string,
  {
    network,
    home,
    services,
    records,
  }: {
    network: string | undefined
    home: string
    services: readonly { row: ServiceRow; exec: PlannedExec }[]
    records: readonly RunRecord[]
  },
): FoundExec {
  const candidates = new Map<string, Candidate>()
  const add = (candidate: Candidate) => {
    const key = `${candidate.network}/${candidate.label}`
    const other = candidates.get(key)
    candidates.set(
      key,
      other === undefined ? candidate : { ...candidate, live: candidate.live || other.live },
    )
  }
  // A run has no name of its own; the service of its label has.
  for (const { row, exec, ended } of records)
    add({ ...row, exec, names: [], live: !ended.aborted, since: row.endedAt ?? row.startedAt })
  for (const { row, exec } of services)
    add({ ...row, exec, names: [row.name, row.hostname, ...row.aliases], live: isLive(row) })
  return findRow(
    [...candidates.values()].sort((a, b) => b.since - a.since),
    id,
    { isLive: ({ live }) => live, namesOf: ({ names }) => names, network, home },
  )
}

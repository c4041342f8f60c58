import type { ServiceRow } from '../../definition/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { findRow } from './find-row.ts'

/** A service or a run that is remembered, with the names that people use for it. */
interface Candidate {
  id: string
  label: string
  network: string
  names: readonly string[]
  exec: PlannedExec
}

/**
 * Finds the exec of the service or the run that a person means. A service and a run of one label are one: they have the
 * same definition, and share their history.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findExec(
  id: string,
  network: string,
  {
    services,
    records,
  }: { services: readonly { row: ServiceRow; exec: PlannedExec }[]; records: readonly RunRecord[] },
): PlannedExec {
  const candidates = new Map<string, Candidate>()
  const add = (row: Pick<Candidate, 'id' | 'label' | 'network'>, names: string[], exec: PlannedExec) => {
    if (row.network === network) candidates.set(row.label, { ...row, names, exec })
  }
  // A run has no name of its own; the service of its label has.
  for (const { row, exec } of records) add(row, [], exec)
  for (const { row, exec } of services.toReversed()) add(row, [row.name, row.hostname, ...row.aliases], exec)
  const found = findRow(
    [...candidates.values()],
    id,
    () => true,
    ({ names }) => names,
  )
  return found.exec
}

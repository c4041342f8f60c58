import type { ServiceRow } from '../../definition/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { findRow } from './service-row.ts'

/** Every service and run that is remembered, by what people call them. */
interface Known {
  id: string
  label: string
  network: string
  names: readonly string[]
  exec: PlannedExec
}

/**
 * The service or the run that is meant. Those of one label are one: they have the same definition, and share their
 * history.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findKnown(
  wanted: string,
  network: string,
  {
    services,
    records,
  }: { services: readonly { row: ServiceRow; exec: PlannedExec }[]; records: readonly RunRecord[] },
): Pick<Known, 'label' | 'exec'> {
  const known = new Map<string, Known>()
  const add = (
    { id, label, network: its }: Pick<Known, 'id' | 'label' | 'network'>,
    names: string[],
    exec: PlannedExec,
  ) => {
    if (its === network) known.set(label, { id, label, network: its, names, exec })
  }
  // A run has no name of its own; the service of its label has.
  for (const { row, exec } of records) add(row, [], exec)
  for (const { row, exec } of services.toReversed()) add(row, [row.name, row.hostname, ...row.aliases], exec)
  return findRow(
    [...known.values()],
    wanted,
    () => true,
    ({ names }) => names,
  )
}

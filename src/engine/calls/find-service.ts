import type { ServiceRow } from '../../definition/index.ts'
import type { ServiceSnapshot } from '../../lifecycle/index.ts'
import type { EngineContext } from '../context.ts'
import { defaultNetwork } from '../networks/networks.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { findExec } from '../rows/find-exec.ts'
import { findRow } from '../rows/find-row.ts'
import { isLive, type ServiceInNetwork, serviceRow } from '../rows/service-row.ts'

/** Finds the service or the run that a person means. */
export interface Finder {
  rows(): ServiceRow[]
  /** @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  service(id: string, network?: string): ServiceRow
  /** The newest run that a person means, a live one first. @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  record(id: string, network?: string): RunRecord
  /** The exec of a service or a run, ended ones included. @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  exec(id: string, network: string): PlannedExec
}

export function createFinder({ services, records, published }: EngineContext): Finder {
  const rowOf = (snapshot: ServiceSnapshot) => serviceRow(snapshot, published.of(snapshot.key))
  const rows = (): ServiceRow[] => services.list().map(rowOf)
  return {
    rows,
    service(id, network = defaultNetwork) {
      const candidates = rows().filter((row) => row.network === network)
      return findRow(candidates, id, isLive, namesOf)
    },
    record(id, network = defaultNetwork) {
      const candidates = records
        .list()
        .filter(({ row }) => row.network === network)
        .map((record) => ({ record, ...record, network: record.row.network }))
      const labelled = new Set(rows().flatMap((row) => (namesOf(row).includes(id) ? [row.label] : [])))
      const found = findRow(
        candidates,
        id,
        (record) => !record.ended.aborted,
        (record) => [record.row.id, ...(labelled.has(record.label) ? [id] : [])],
      )
      return found.record
    },
    exec: (id, network) =>
      findExec(id, network, {
        services: services.list().map((snapshot) => ({
          row: rowOf(snapshot),
          exec: (snapshot.describe as ServiceInNetwork).service.exec,
        })),
        records: records.list(),
      }),
  }
}

function namesOf(row: Pick<ServiceRow, 'name' | 'hostname' | 'aliases'>): string[] {
  return [row.name, row.hostname, ...row.aliases]
}

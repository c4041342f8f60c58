import type { ServiceRow } from '../../definition/index.ts'
import type { ServiceSnapshot } from '../../lifecycle/index.ts'
import type { EngineContext } from '../context.ts'
import { defaultNetwork } from '../networks/networks.ts'
import type { RunRecord } from '../registry/run-records.ts'
import { type FoundExec, findExec } from '../rows/find-exec.ts'
import { findRow } from '../rows/find-row.ts'
import { isLive, type ServiceInNetwork, serviceRow } from '../rows/service-row.ts'

/**
 * Finds the service or the run that a person means: all commands mean the same thing by an ID. Without a network, the
 * names of `default` come first, and then whatever is unique in all networks.
 */
export interface Finder {
  rows(): ServiceRow[]
  /** @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  service(id: string, network?: string): ServiceRow
  /** The newest run that a person means, a live one first. @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  record(id: string, network?: string): RunRecord
  /** The exec of a service or a run, ended ones included. @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS */
  exec(id: string, network?: string): FoundExec
}

export function createFinder({ services, records, published }: EngineContext): Finder {
  const rowOf = (snapshot: ServiceSnapshot) => serviceRow(snapshot, published.of(snapshot.key))
  const rows = (): ServiceRow[] => services.list().map(rowOf)
  return {
    rows,
    service: (id, network) =>
      findRow(
        rows().sort((a, b) => b.since - a.since),
        id,
        { isLive, namesOf, network, home: defaultNetwork },
      ),
    record(id, network) {
      const candidates = records
        .list()
        .map((record) => ({ record, ...record, id: record.row.id, network: record.row.network }))
      const names = new Map(rows().map((row) => [`${row.network}/${row.label}`, namesOf(row)]))
      const found = findRow(candidates, id, {
        isLive: (record) => !record.ended.aborted,
        namesOf: (record) => names.get(`${record.network}/${record.label}`) ?? [],
        network,
        home: defaultNetwork,
      })
      return found.record
    },
    exec: (id, network) =>
      findExec(id, {
        network,
        home: defaultNetwork,
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

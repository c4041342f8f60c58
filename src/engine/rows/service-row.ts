import { type PortForward, portForwardText, type ServiceRow } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ServiceSnapshot } from '../../lifecycle/index.ts'
import type { PlannedService } from '../plan/planned.ts'
import { portsOf } from '../plan/service-ports.ts'

/** What the engine's driver lets the lifecycle carry through to its snapshots. */
export interface ServiceDescription {
  service: PlannedService
  network: string
}

/**
 * A service as `status` shows it.
 *
 * @param published - the ports of the host that lead to it
 */
export function serviceRow(snapshot: ServiceSnapshot, published: readonly PortForward[]): ServiceRow {
  const { service, network } = snapshot.describe as unknown as ServiceDescription
  const { exec } = service
  return {
    id: exec.label.slice(0, 12),
    label: exec.label,
    name: exec.customName ?? snapshot.aliases[0] ?? exec.root.name,
    hostname: exec.hostname,
    network,
    state: snapshot.state,
    health: snapshot.health,
    clients: snapshot.holders,
    aliases: snapshot.aliases,
    address: snapshot.address,
    ports: [
      ...portsOf(service).map(({ port, protocol }) => `${port}/${protocol}`),
      ...published.map(portForwardText),
    ],
    hostPorts: [...published],
    image: exec.root.ref,
    args: [...exec.args],
    since: snapshot.since,
    startedAt: snapshot.startedAt,
    stopsAt: snapshot.stopsAt,
    exitCode: snapshot.exitCode,
    error: snapshot.error?.message ?? null,
  }
}

export function isLive({ state }: ServiceRow): boolean {
  return state !== 'stopped' && state !== 'failed'
}

/**
 * The one that a person means: by ID, label, hostname, name, or a unique prefix of the ID; a live one before ended
 * ones.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS
 */
export function findRow<Row extends { id: string; label: string; network: string }>(
  rows: readonly Row[],
  wanted: string,
  isLive: (row: Row) => boolean,
  namesOf: (row: Row) => readonly string[] = () => [],
): Row {
  const exact = rows.filter((row) => [row.id, row.label, ...namesOf(row)].includes(wanted))
  const matching =
    exact.length > 0 || wanted === '' ? exact : rows.filter((row) => row.label.startsWith(wanted))
  const live = matching.filter(isLive)
  const candidates = live.length > 0 ? live : matching.slice(0, 1)
  const [found, ...others] = candidates
  if (found === undefined) throw new MoorageError('SERVICE_NOT_FOUND', { id: wanted })
  if (others.length > 0) {
    throw new MoorageError('SERVICE_AMBIGUOUS', {
      id: wanted,
      candidates: candidates.map(({ id, network }) => `${id} (network ${network})`),
    })
  }
  return found
}

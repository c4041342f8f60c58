import { type PortForward, portForwardText, type ServiceRow } from '../../definition/index.ts'
import { holderText, type ServiceSnapshot } from '../../lifecycle/index.ts'
import type { PlannedService } from '../plan/planned.ts'
import { portsOf } from '../plan/service-ports.ts'
import { shownName } from '../shown-name.ts'

/** Handed by the engine's driver to the lifecycle, which carries it through to its snapshots. */
export interface ServiceInNetwork {
  service: PlannedService
  network: string
}

/**
 * Makes the row of a service that `status` shows.
 *
 * @param published - the ports of the host that lead to it
 */
export function serviceRow(snapshot: ServiceSnapshot, published: readonly PortForward[]): ServiceRow {
  const { service, network } = snapshot.describe as unknown as ServiceInNetwork
  const { exec } = service
  return {
    id: exec.label.slice(0, 12),
    label: exec.label,
    name: shownName(exec, snapshot.aliases[0]),
    hostname: exec.hostname,
    network,
    state: snapshot.state,
    health: snapshot.health,
    clients: snapshot.holders.map(holderText),
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

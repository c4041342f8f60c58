import { type ExposedPort, type HostPort, type Protocol, portProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { hostServiceNode } from '../graph/host-service-node.ts'
import type { Session } from '../session/session.ts'
import { Service } from './service.ts'

/** A port of 127.0.0.1 of the daemon's host, and the port under which clients reach it. */
export interface HostPortOptions {
  host: number
  /** @defaultValue the same number */
  service?: number
  /** @defaultValue `tcp` */
  protocol?: Protocol
}

/** @throws MoorageError INVALID_OPTION */
export function hostService(session: Session, options: readonly (number | HostPortOptions)[]): Service {
  const ports = options.map((option): HostPort => {
    const { host, service, protocol = 'tcp' } = typeof option === 'number' ? { host: option } : option
    return { host, service: service ?? host, protocol }
  })
  const reason = portsProblem(ports)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: 'host.service', reason })
  const exposed = ports.map(
    ({ service: port, protocol }): ExposedPort =>
      // UDP sockets of the host are seen from its own network namespace only, so their ports are not waited for.
      protocol === 'udp' ? { port, protocol, check: 'none' } : { port, protocol },
  )
  return new Service(session, hostServiceNode(ports), { ports: exposed })
}

function portsProblem(ports: readonly HostPort[]): string | undefined {
  if (ports.length === 0) return 'it needs a port'
  const [invalid] = ports.flatMap(({ host, service }) => portProblem(host) ?? portProblem(service) ?? [])
  if (invalid !== undefined) return invalid
  const ofService = new Set(ports.map(({ service, protocol }) => `${service}/${protocol}`))
  return ofService.size < ports.length ? 'two ports of the host cannot be one port of the service' : undefined
}

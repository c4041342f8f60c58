import type { ExposedPort, HostPort, HostServiceOperation, Protocol } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { Node } from '../graph/graph.ts'
import type { Session } from '../session/session.ts'
import { Service } from './service.ts'

/** A port of 127.0.0.1 of the daemon's host, and the one under which clients reach it. */
export interface HostPortOptions {
  host: number
  /** @defaultValue the same number */
  service?: number
  /** @defaultValue `tcp` */
  protocol?: Protocol
}

/** Ports of the host as a service, in a definition. */
export class HostServiceNode implements Node {
  readonly inputs: readonly Node[] = []
  readonly ports: readonly HostPort[]

  constructor(ports: readonly HostPort[]) {
    this.ports = ports
  }

  operation(): HostServiceOperation {
    return { op: 'hostService', ports: [...this.ports] }
  }
}

/** @throws MoorageError INVALID_OPTION */
export function hostService(session: Session, wanted: readonly (number | HostPortOptions)[]): Service {
  const ports = wanted.map((one): HostPort => {
    const { host, service, protocol = 'tcp' } = typeof one === 'number' ? { host: one } : one
    return { host, service: service ?? host, protocol }
  })
  const problem =
    ports.length === 0
      ? 'it needs a port'
      : ports.flatMap(({ host, service }) => [host, service]).some((port) => !isPort(port))
        ? 'a port is a whole number from 1 to 65535'
        : new Set(ports.map(({ service, protocol }) => `${service}/${protocol}`)).size < ports.length
          ? 'two ports of the host cannot be one of the service'
          : undefined
  if (problem !== undefined)
    throw new MoorageError('INVALID_OPTION', { option: 'host.service', reason: problem })
  // Whether something is bound to a UDP port of the host, only its own namespace could say.
  const exposed = ports.map(
    ({ service, protocol }): ExposedPort => ({
      port: service,
      protocol,
      ...(protocol === 'udp' ? { check: 'none' as const } : {}),
    }),
  )
  return new Service(session, new HostServiceNode(ports), { ports: exposed })
}

const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65_535

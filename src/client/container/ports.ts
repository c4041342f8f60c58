import type { ExposedPort, Protocol } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { checkPort, type PortCheck, portCheckOf } from './health-checks.ts'

export interface ExposedPortOptions {
  protocol?: Protocol
  description?: string
  check?: PortCheck
}

/** Adds a port; it replaces an earlier declaration of the same port. @throws MoorageError INVALID_OPTION */
export function withPort(
  ports: readonly ExposedPort[],
  port: number,
  { protocol = 'tcp', description, check }: ExposedPortOptions,
): ExposedPort[] {
  const exposed = {
    port: checkPort(port),
    protocol,
    description,
    check: check && portCheckOf(protocol, check),
  }
  return [...withoutPort(ports, port, protocol), withoutUndefined(exposed)]
}

export function withoutPort(ports: readonly ExposedPort[], port: number, protocol: Protocol): ExposedPort[] {
  return ports.filter((exposed) => exposed.port !== port || exposed.protocol !== protocol)
}

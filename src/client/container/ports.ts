import type { ExposedPort, Protocol } from '../../definition/index.ts'
import { checkPort, type PortCheck, portCheckOf } from './health-checks.ts'

export interface ExposedPortOptions {
  protocol?: Protocol
  description?: string
  check?: PortCheck
}

/** With one more; what was said of the same port is replaced. @throws MoorageError INVALID_OPTION */
export function withPort(
  ports: readonly ExposedPort[],
  port: number,
  { protocol = 'tcp', description, check }: ExposedPortOptions,
): ExposedPort[] {
  const exposed: ExposedPort = {
    port: checkPort(port),
    protocol,
    ...(description === undefined ? {} : { description }),
    ...(check === undefined ? {} : { check: portCheckOf(protocol, check) }),
  }
  return [...withoutPort(ports, port, protocol), exposed]
}

export function withoutPort(ports: readonly ExposedPort[], port: number, protocol: Protocol): ExposedPort[] {
  return ports.filter((one) => one.port !== port || one.protocol !== protocol)
}

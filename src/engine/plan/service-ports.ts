import type { ExposedPort } from '../../definition/index.ts'
import type { PlannedService } from './planned.ts'

/**
 * Returns the ports of a service: those that it declares, then those that only its image's EXPOSE names, which are
 * not waited for.
 */
export function portsOf({ exec, options: { ports = [] } }: PlannedService): ExposedPort[] {
  const undeclared = exec.root.config.exposedPorts.filter(
    ({ port, protocol }) =>
      !ports.some((declared) => declared.port === port && declared.protocol === protocol),
  )
  return [...ports, ...undeclared.map(({ port, protocol }) => ({ port, protocol, check: 'none' as const }))]
}

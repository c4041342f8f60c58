import type { ExposedPort } from '../../definition/index.ts'
import type { PlannedService } from './planned.ts'

/** The ports of a service: those that it declares, then those that only its image's EXPOSE names, not waited for. */
export function portsOf({ exec, options: { ports = [] } }: PlannedService): ExposedPort[] {
  const others = exec.root.config.exposedPorts.filter(
    ({ port, protocol }) => !ports.some((one) => one.port === port && one.protocol === protocol),
  )
  return [...ports, ...others.map(({ port, protocol }) => ({ port, protocol, check: 'none' as const }))]
}

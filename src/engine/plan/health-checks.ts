import type { CheckTimes, ExposedPort, HealthCheck, HttpRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ServiceCheck } from '../../lifecycle/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { imageCheckOf } from './image-healthcheck.ts'
import type { PlannedService } from './planned.ts'

/**
 * Returns the checks that a binder waits for: one for each port that it declares, the image's own HEALTHCHECK, and
 * the checks that it asks for. Ports that only the image's EXPOSE names are listed, and not waited for.
 */
export function checksOf({ exec, options }: PlannedService): ServiceCheck[] {
  const { ports = [], healthcheck, checks = [] } = options
  const requested = checks.map((check) => checkOf(check, ports))
  if (healthcheck === 'none') return requested
  const image = imageCheckOf(exec.root.config.healthcheck)
  return [...ports.flatMap(portCheckOf), ...(image ? [image] : []), ...requested]
}

function portCheckOf({ port, protocol, check }: ExposedPort): ServiceCheck[] {
  if (check === 'none') return []
  if (check?.http) return [{ ...httpOf(port, check.http), ...timingOf(check) }]
  return [{ kind: protocol, port, ...timingOf(check ?? {}) }]
}

function checkOf(check: HealthCheck, ports: readonly ExposedPort[]): ServiceCheck {
  const timing = timingOf(check)
  if ('tcp' in check) return { kind: 'tcp', port: check.tcp, ...timing }
  if ('udp' in check) return { kind: 'udp', port: check.udp, ...timing }
  if ('exec' in check) return { kind: 'exec', args: check.exec, ...timing }
  if ('log' in check) {
    const { pattern, flags } = typeof check.log === 'string' ? { pattern: check.log } : check.log
    return { kind: 'log', pattern, ...(flags ? { flags } : {}), ...timing }
  }
  const port = check.http.port ?? ports.find(({ protocol }) => protocol === 'tcp')?.port
  if (port === undefined) {
    throw new MoorageError('INVALID_OPTION', {
      option: `the check http ${check.http.path}`,
      reason: 'it names no port, and no TCP port is exposed',
    })
  }
  return { ...httpOf(port, check.http), ...timing }
}

function httpOf(port: number, { path, status }: HttpRequest) {
  const statuses = status === undefined ? undefined : [status].flat()
  return withoutUndefined({ kind: 'http' as const, port, path, status: statuses })
}

/**
 * Counts towards `failsAfter` where no interval is set: the longest delay between two attempts, in milliseconds.
 */
const defaultInterval = 1_000
const defaultRetries = 3

function timingOf({ timeout, interval, startPeriod, retries }: CheckTimes): Pick<ServiceCheck, 'timing'> {
  const countsFailures = startPeriod !== undefined || retries !== undefined
  const failsAfter = countsFailures
    ? (startPeriod ?? 0) + (retries ?? defaultRetries) * (interval ?? defaultInterval)
    : undefined
  const timing = withoutUndefined({ timeout, interval, failsAfter })
  return Object.keys(timing).length === 0 ? {} : { timing }
}

import {
  type CheckTimes,
  type Duration,
  type ExposedPortCheck,
  type HealthCheck,
  type HttpRequest,
  milliseconds,
  type Protocol,
  portProblem,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { checkArguments } from '../graph/check-arguments.ts'

/** The times of a check's attempts. */
export interface CheckTiming {
  /** The longest time that one attempt may take. @defaultValue 1 s for ports and logs, 5 s for http, 10 s for exec */
  timeout?: Duration
  /** Time from a failed attempt to the next one. @defaultValue it grows, from a few milliseconds to 1 s */
  interval?: Duration
  /** Failures do not count for so long after the start; the check has failed for good `retries` × `interval` later. */
  startPeriod?: Duration
  /** After so many intervals of failures the check has failed for good. @defaultValue 3, if `startPeriod` is given */
  retries?: number
}

/** A condition that must hold before a client of a service runs. */
export type Check =
  | 'none'
  | (CheckTiming &
      (
        | { tcp: number }
        | { udp: number }
        /** A GET is answered by 200 to 399, or by `status`. @defaultValue port: the first exposed TCP port */
        | { http: HttpRequest & { port?: number } }
        /** A command in the container exits with 0. */
        | { exec: readonly string[] }
        /** A line of the container's output matches. */
        | { log: string | RegExp }
      ))

/** The condition under which an exposed port counts as ready; `none` does not wait for it. */
export type PortCheck = 'none' | (CheckTiming & { http?: HttpRequest })

/** @throws MoorageError INVALID_OPTION */
export function checkPort(port: number): number {
  const reason = portProblem(port)
  if (reason !== undefined) throw invalid(`port ${port}`, reason)
  return port
}

/** @throws MoorageError INVALID_OPTION */
export function portCheckOf(protocol: Protocol, check: PortCheck): 'none' | ExposedPortCheck {
  if (check === 'none') return check
  if (check.http !== undefined && protocol === 'udp') throw invalid('check', 'HTTP is not spoken over UDP')
  return { ...timesOf(check), ...withoutUndefined({ http: check.http && httpOf(check.http) }) }
}

/** @throws MoorageError INVALID_OPTION */
export function healthCheckOf(check: Exclude<Check, 'none'>): HealthCheck {
  const times = timesOf(check)
  if ('tcp' in check) return { ...times, tcp: checkPort(check.tcp) }
  if ('udp' in check) return { ...times, udp: checkPort(check.udp) }
  if ('http' in check) {
    const { port } = check.http
    const optional = withoutUndefined({ port: port === undefined ? undefined : checkPort(port) })
    return { ...times, http: { ...httpOf(check.http), ...optional } }
  }
  if ('exec' in check) {
    if (check.exec.length === 0) throw invalid('check', 'exec needs a command')
    checkArguments('the health check', check.exec)
    return { ...times, exec: [...check.exec] }
  }
  if ('log' in check) return { ...times, log: patternOf(check.log) }
  throw invalid('check', 'it is one of tcp, udp, http, exec, log and none')
}

function timesOf({ timeout, interval, startPeriod, retries }: CheckTiming): CheckTimes {
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 1)) {
    throw invalid('check', `retries is a whole number above 0, not ${retries}`)
  }
  const time = (name: string, duration: Duration | undefined) =>
    duration === undefined ? undefined : milliseconds(duration, `${name} of a check`)
  return withoutUndefined({
    timeout: time('timeout', timeout),
    interval: time('interval', interval),
    startPeriod: time('startPeriod', startPeriod),
    retries,
  })
}

function httpOf({ path, status }: HttpRequest): HttpRequest {
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw invalid('check', `"${path}" is not a path of a URL`)
  return withoutUndefined({ path, status })
}

function patternOf(pattern: string | RegExp): string | { pattern: string; flags: string } {
  if (typeof pattern !== 'string') return { pattern: pattern.source, flags: pattern.flags }
  try {
    new RegExp(pattern)
  } catch (error) {
    throw invalid('check', (error as Error).message)
  }
  return pattern
}

function invalid(option: string, reason: string): MoorageError {
  return new MoorageError('INVALID_OPTION', { option, reason })
}

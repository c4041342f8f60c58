import {
  type CheckTimes,
  type Duration,
  type HealthCheck,
  type HttpRequest,
  milliseconds,
  type Protocol,
  type PortCheck as WirePortCheck,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** When a check is tried. */
export interface CheckTiming {
  /** Of one attempt. @defaultValue 1 s for ports and logs, 5 s for http, 10 s for exec */
  timeout?: Duration
  /** From one failure to the next attempt. @defaultValue it grows, from a few milliseconds to 1 s */
  interval?: Duration
  /** Failures say nothing for so long; a check with this fails for good `retries` × `interval` later. */
  startPeriod?: Duration
  /** How many intervals of failures are one too many. @defaultValue 3, if `startPeriod` is given */
  retries?: number
}

/** Something that must hold before a client of a service runs. */
export type Check =
  | 'none'
  | (CheckTiming &
      (
        | { tcp: number }
        | { udp: number }
        /** A GET is answered by 200 to 399, or `status`; of the first exposed TCP port unless said. */
        | { http: HttpRequest & { port?: number } }
        /** A command in the container exits with 0. */
        | { exec: readonly string[] }
        /** A line of its output matches. */
        | { log: string | RegExp }
      ))

/** How an exposed port is waited for. */
export type PortCheck = 'none' | (CheckTiming & { http?: HttpRequest })

/** @throws MoorageError INVALID_OPTION */
export function checkPort(port: number): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port
  throw invalid(`port ${port}`, 'a port is from 1 to 65535')
}

/** @throws MoorageError INVALID_OPTION */
export function portCheckOf(protocol: Protocol, check: PortCheck): 'none' | WirePortCheck {
  if (check === 'none') return check
  if (check.http !== undefined && protocol === 'udp') throw invalid('check', 'HTTP is not spoken over UDP')
  return { ...timesOf(check), ...(check.http === undefined ? {} : { http: httpOf(check.http) }) }
}

/** @throws MoorageError INVALID_OPTION */
export function healthCheckOf(check: Exclude<Check, 'none'>): HealthCheck {
  const times = timesOf(check)
  if ('tcp' in check) return { ...times, tcp: checkPort(check.tcp) }
  if ('udp' in check) return { ...times, udp: checkPort(check.udp) }
  if ('http' in check) {
    const { port } = check.http
    return {
      ...times,
      http: { ...httpOf(check.http), ...(port === undefined ? {} : { port: checkPort(port) }) },
    }
  }
  if ('exec' in check) {
    if (check.exec.length === 0) throw invalid('check', 'exec needs a command')
    return { ...times, exec: [...check.exec] }
  }
  if ('log' in check) return { ...times, log: patternOf(check.log) }
  throw invalid('check', 'it is one of tcp, udp, http, exec, log and none')
}

function timesOf({ timeout, interval, startPeriod, retries }: CheckTiming): CheckTimes {
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 1)) {
    throw invalid('check', `retries is a whole number above 0, not ${retries}`)
  }
  return {
    ...(timeout === undefined ? {} : { timeout: milliseconds(timeout, 'timeout of a check') }),
    ...(interval === undefined ? {} : { interval: milliseconds(interval, 'interval of a check') }),
    ...(startPeriod === undefined
      ? {}
      : { startPeriod: milliseconds(startPeriod, 'startPeriod of a check') }),
    ...(retries === undefined ? {} : { retries }),
  }
}

function httpOf({ path, status }: HttpRequest): HttpRequest {
  if (!/^\/[\x21-\x7e]*$/.test(path)) throw invalid('check', `"${path}" is not a path of a URL`)
  return { path, ...(status === undefined ? {} : { status }) }
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

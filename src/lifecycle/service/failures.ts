import { asMoorageError, type ErrorDetails, type MoorageError, moorageError } from '../../errors/index.ts'
import type { ServiceDriver, ServiceExit } from '../driver.ts'
import { duration } from '../duration.ts'

/** An end that several are told of: each hears it under the alias that it knows the service by. */
export type Failure = (alias: string | undefined) => MoorageError

type Named = Pick<ServiceDriver, 'label' | 'hostname'>

/** `start h1u8….moorage.internal (aliased as www)`, the beginning of each message. */
function breadcrumbs(verb: 'start' | 'service', { hostname }: Named, alias: string | undefined): string {
  return alias === undefined ? `${verb} ${hostname}` : `${verb} ${hostname} (aliased as ${alias})`
}

function namesOf({ hostname, label }: Named, alias: string | undefined): ErrorDetails {
  return { hostname, service: label, alias: alias ?? null }
}

/** It ended unasked. */
export function exited(
  named: Named,
  { exit, log, when }: { exit: ServiceExit; log: string; when: When },
): Failure {
  return (alias) => {
    const verb = when === 'before it was healthy' ? 'start' : 'service'
    const error = moorageError('SERVICE_EXITED', {
      breadcrumbs: breadcrumbs(verb, named, alias),
      when: exit.cause === undefined ? when : `${when}, because ${exit.cause.message}`,
      exitCode: exit.code,
      signal: exit.signal,
      log,
      ...namesOf(named, alias),
    })
    if (exit.cause !== undefined) error.cause = exit.cause
    return error
  }
}

export type When = 'before it was healthy' | 'while it was in use' | 'while nobody used it'

/** Its checks, or its start, took longer than somebody would wait. `checks` says which, with their last answers. */
export function timedOut(
  named: Named,
  { timeout, checks, log }: { timeout: number; checks: string; log: string },
): Failure {
  return (alias) =>
    moorageError('HEALTH_TIMEOUT', {
      breadcrumbs: breadcrumbs('start', named, alias),
      timeout: duration(timeout),
      checks,
      log,
      ...namesOf(named, alias),
    })
}

/** A check of it has failed for good, before the deadline. */
export function unhealthy(named: Named, { checks, log }: { checks: string; log: string }): Failure {
  return (alias) =>
    moorageError('HEALTH_FAILED', {
      breadcrumbs: breadcrumbs('start', named, alias),
      checks,
      log,
      ...namesOf(named, alias),
    })
}

/** Somebody asked for its end while it was starting. */
export function stopped(named: Named, code: 'STOPPED_BY_REQUEST' | 'DAEMON_STOPPING'): Failure {
  return (alias) =>
    code === 'DAEMON_STOPPING'
      ? moorageError(code)
      : moorageError(code, { breadcrumbs: breadcrumbs('start', named, alias), ...namesOf(named, alias) })
}

/** It could not be started: the same error, said of this service. */
export function startFailed(named: Named, thrown: unknown): Failure {
  const error = asMoorageError(thrown)
  return (alias) =>
    moorageError(
      error.code,
      { ...error.details, ...namesOf(named, alias) },
      { message: `${breadcrumbs('start', named, alias)}: ${error.message}`, cause: error },
    )
}

/** It ended, but something that it held could not be let go of; `failure` is what it ended with, if that was one. */
export function notReleased(named: Named, thrown: unknown, failure: Failure | undefined): Failure {
  const reason = thrown instanceof Error ? thrown.message : String(thrown)
  return (alias) => {
    const before = failure?.(alias)
    const besides = `${breadcrumbs('service', named, alias)}: not all that it held was released: ${reason}`
    return before === undefined
      ? moorageError('INTERNAL', { reason: besides, ...namesOf(named, alias) }, { cause: thrown })
      : moorageError(before.code, before.details, { message: `${before.message}; ${besides}`, cause: thrown })
  }
}

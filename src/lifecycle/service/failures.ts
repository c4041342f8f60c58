import { asMoorageError, type ErrorDetails, type MoorageError, moorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { ServiceDriver, ServiceExit } from '../driver.ts'
import { duration } from '../duration.ts'

/** A failure that several are told of: makes the error for one of them, who knows the service by this alias. */
export type Failure = (alias: string | undefined) => MoorageError

type Named = Pick<ServiceDriver, 'label' | 'hostname' | 'nameFor' | 'image'>

/** Makes the beginning of each message: `start h1u8….moorage.internal (aliased as www)`. */
function breadcrumbs(verb: 'start' | 'service', { hostname }: Named, alias: string | undefined): string {
  return alias === undefined ? `${verb} ${hostname}` : `${verb} ${hostname} (aliased as ${alias})`
}

function namesOf(named: Named, alias: string | undefined): ErrorDetails {
  const { hostname, label, image } = named
  const name = named.nameFor?.(alias)
  return { hostname, service: label, alias: alias ?? null, ...withoutUndefined({ name, image }) }
}

/** The process exited unasked. */
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
      ...withoutUndefined({ advice: adviceOnExit(exit, log, named) }),
      ...namesOf(named, alias),
    })
    if (exit.cause !== undefined) error.cause = exit.cause
    return error
  }
}

/** Returns what to do about an exit: nothing more than its cause, where that is known. */
function adviceOnExit(exit: ServiceExit, log: string, { label }: Named): string | undefined {
  if (exit.cause !== undefined) return undefined
  const id = label.slice(0, 12)
  if (exit.code === 0)
    return 'run it in the foreground: a service ends with its first process, and one that makes itself a daemon, or serves one connection and ends, is over'
  if (log.trim() !== '') return `its last lines say why; moorage logs ${id} shows all of them`
  return `it wrote nothing; moorage why ${id} shows what happened to it`
}

export type When = 'before it was healthy' | 'while it was in use' | 'while nobody used it'

/** Its start or its checks took longer than a binder would wait. `checks` lists those, with their last answers. */
export function timedOut(
  named: Named,
  { timeout, checks, advice, log }: { timeout: number; checks: string; advice?: string; log: string },
): Failure {
  return (alias) =>
    moorageError('HEALTH_TIMEOUT', {
      breadcrumbs: breadcrumbs('start', named, alias),
      timeout: duration(timeout),
      checks,
      log,
      ...withoutUndefined({ advice }),
      ...namesOf(named, alias),
    })
}

/** One of its checks has failed for good, before the deadline. */
export function unhealthy(named: Named, { checks, log }: { checks: string; log: string }): Failure {
  return (alias) =>
    moorageError('HEALTH_FAILED', {
      breadcrumbs: breadcrumbs('start', named, alias),
      checks,
      log,
      ...namesOf(named, alias),
    })
}

/** Somebody asked for its stop while it was starting. */
export function stopped(named: Named, code: 'STOPPED_BY_REQUEST' | 'DAEMON_STOPPING'): Failure {
  return (alias) =>
    code === 'DAEMON_STOPPING'
      ? moorageError(code)
      : moorageError(code, { breadcrumbs: breadcrumbs('start', named, alias), ...namesOf(named, alias) })
}

/** It could not be started: the thrown error, said of this service. */
export function startFailed(named: Named, thrown: unknown): Failure {
  const error = asMoorageError(thrown)
  return (alias) =>
    moorageError(
      error.code,
      { ...error.details, ...namesOf(named, alias) },
      { message: `${breadcrumbs('start', named, alias)}: ${error.message}`, cause: error },
    )
}

/** Something that it held could not be released; `failure` is why its process exited, if it exited unasked. */
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

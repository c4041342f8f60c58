import { MoorageError } from '../../errors/index.ts'
import type { Clock } from '../clock.ts'
import type { ServiceLife } from '../service/service-life.ts'
import { dependentKeys } from './dependents.ts'

/** From SIGKILL to giving up, in milliseconds: it takes effect at once, and what is not gone by then is stuck. */
const killPatience = 5_000

export interface DrainOptions {
  /** From the beginning to SIGKILL for what is left, in milliseconds. @defaultValue 30000, times the timeout scale */
  timeout?: number
  /** @defaultValue `dependents-first` */
  order?: 'dependents-first' | 'all-at-once'
}

/**
 * Stops all services, also those in grace: those that no service needs first, and so on down; independent ones side by
 * side. Nothing new may start meanwhile.
 *
 * @throws AggregateError of what could not be stopped or released
 */
export async function drain(
  live: () => ServiceLife[],
  clock: Clock,
  { timeout, order }: Required<DrainOptions>,
): Promise<void> {
  const stopping = new Map<ServiceLife, Promise<void>>()
  const failures = new Set<unknown>()
  let killing = false

  const stop = (service: ServiceLife) => {
    const stopped = service
      .stop({ kill: killing, code: 'DAEMON_STOPPING' })
      .catch((error) => void failures.add(error))
      .finally(() => stopping.delete(service))
    stopping.set(service, stopped)
  }

  const overdue = Promise.withResolvers<void>()
  using _deadline = clock.setTimeout(overdue.resolve, timeout)
  // A circle cannot be made through bindings; should one be there, it is stopped whole.
  const next = () => {
    const waiting = live().filter((service) => !stopping.has(service))
    const free =
      order === 'all-at-once' ? waiting : waiting.filter((service) => dependentKeys(service).length === 0)
    return free.length > 0 || stopping.size > 0 ? free : waiting
  }
  const round = () => {
    for (const service of next()) stop(service)
    return Promise.race(stopping.values())
  }

  let late = false
  void overdue.promise.then(() => {
    late = true
  })
  while (!late && live().length > 0) await Promise.race([round(), overdue.promise])

  killing = true
  for (const service of live()) stop(service)
  const patienceOver = Promise.withResolvers<void>()
  using _patience = clock.setTimeout(patienceOver.resolve, killPatience)
  await Promise.race([Promise.all(stopping.values()), patienceOver.promise])
  for (const { driver } of live()) {
    failures.add(new MoorageError('INTERNAL', { reason: `service ${driver.hostname} cannot be stopped` }))
  }
  if (failures.size > 0) throw new AggregateError(failures, [...failures].map(String).join('; '))
}

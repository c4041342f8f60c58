import { MoorageError, moorageError } from '../errors/index.ts'
import type { Clock } from './clock.ts'
import type { ServiceDriver } from './driver.ts'
import { defaultTimeouts } from './grace-and-timeouts.ts'
import type { Lease } from './lease.ts'
import type { NewsOf, ServiceNews } from './news.ts'
import type { ScopedKey } from './scoped-key.ts'
import { type AcquireOptions, Binder, type Seat } from './service/binder.ts'
import { timedOut } from './service/failures.ts'
import { earlierRunStops, ServiceLife } from './service/service-life.ts'
import type { ServiceSnapshot } from './snapshot.ts'
import { dependentKeys } from './stopping/dependents.ts'
import { type DrainOptions, drain } from './stopping/drain.ts'

/** The number of ended lives that are remembered. */
const remembered = 100

export interface ServicesOptions {
  clock: Clock
  /** Called soon after each change of a service. An error thrown here becomes a warning of the process. */
  onChange?: (row: ServiceSnapshot) => void
  /** Called soon after anything has happened, in order. An error thrown here becomes a warning of the process. */
  onNews?: (news: ServiceNews & NewsOf) => void
  /** Grace of services whose binders ask for none, in milliseconds. @defaultValue 10000 */
  defaultGrace?: number
  /** Stretches every default time limit, for slow machines. @defaultValue 1 */
  timeoutScale?: number
}

/** The services that live, by key: each key has one at a time. */
export interface Services {
  /**
   * Acquires a lease on a service, which is started if it does not run, kept if it is in grace, and started afresh
   * after its end if it is stopping.
   *
   * @param driver - runs the service if this call is the one that starts it
   * @throws MoorageError SERVICE_EXITED, HEALTH_TIMEOUT, STOPPED_BY_REQUEST, DAEMON_STOPPING, or what its driver threw,
   * said of this service; the abort reason of `signal`
   */
  acquire(key: ScopedKey, driver: ServiceDriver, options: AcquireOptions): Promise<Lease>
  /**
   * Stops a service, after those that need it. Leases are gone, their holders go on. Does nothing when it does not run.
   *
   * @throws MoorageError INTERNAL when not all it held could be released
   */
  stop(key: ScopedKey, options?: { kill?: boolean }): Promise<void>
  /**
   * Stops a service and starts it again. Leases are kept; their address changes.
   *
   * @throws MoorageError SERVICE_NOT_RUNNING, and what a start throws
   */
  restart(key: ScopedKey): Promise<void>
  /** Ends the grace of a service at once, if it is in grace, because somebody waits for what it has. */
  hurry(key: ScopedKey): void
  /** Returns the service that lives under a key, else the last that ended. */
  get(key: ScopedKey): ServiceSnapshot | undefined
  /** Lists those that live, then some that have ended; the newest first. */
  list(): ServiceSnapshot[]
  /**
   * Stops everything, for good: binders fail with DAEMON_STOPPING from now on.
   *
   * @throws AggregateError of what could not be stopped or released
   */
  drain(options?: DrainOptions): Promise<void>
}

export function createServices({
  clock,
  onChange,
  onNews,
  defaultGrace,
  timeoutScale = 1,
}: ServicesOptions): Services {
  const timeouts = defaultTimeouts(timeoutScale)
  const live = new Map<ScopedKey, ServiceLife>()
  /** The newest first. */
  const ended: ServiceSnapshot[] = []
  /** The binders that wait for an earlier life to end. */
  const queued = new Set<Binder>()
  let draining = false
  let drained: Promise<void> | undefined

  const create = (key: ScopedKey, driver: ServiceDriver): ServiceLife => {
    const service: ServiceLife = new ServiceLife({
      key,
      driver,
      clock,
      defaultGrace,
      timeouts,
      onChange: () => {
        if (onChange) observe(onChange, service.snapshot())
      },
      onNews: (news) => {
        const { label, describe } = driver
        if (onNews) observe(onNews, { ...news, key, label, describe, time: clock.now() })
      },
      onEnded: () => {
        live.delete(key)
        ended.unshift(service.snapshot())
        ended.length = Math.min(ended.length, remembered)
      },
    })
    live.set(key, service)
    return service
  }

  /** The seat of a binder that waits for an earlier life to end. */
  const queue = (driver: ServiceDriver): Seat => {
    return {
      left: (binder) => void queued.delete(binder),
      expired(binder) {
        queued.delete(binder)
        const failure = timedOut(driver, {
          timeout: binder.startTimeout,
          checks: earlierRunStops,
          log: '',
        })
        binder.fail(failure(binder.options.alias))
      },
      waitingFor: () => earlierRunStops,
    }
  }

  const running = (key: ScopedKey): ServiceLife => {
    const service = live.get(key)
    if (service?.accepts) return service
    const { hostname } = service?.driver ?? ended.find((row) => row.key === key) ?? { hostname: key }
    throw moorageError('SERVICE_NOT_RUNNING', { service: hostname })
  }

  const stop = async (key: ScopedKey, kill: boolean, under: ReadonlySet<ScopedKey>): Promise<void> => {
    const service = live.get(key)
    if (service === undefined || under.has(key)) return
    const path = new Set([...under, key])
    const failures: unknown[] = []
    const dependents = dependentKeys(service)
    if (dependents.length > 0) {
      const settled = await Promise.allSettled(dependents.map((dependent) => stop(dependent, kill, path)))
      for (const outcome of settled) if (outcome.status === 'rejected') failures.push(outcome.reason)
    }
    await service.stop({ kill }).catch((error) => void failures.push(error))
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join('; '))
  }

  return {
    async acquire(key, driver, options) {
      options.signal?.throwIfAborted()
      if (draining) throw new MoorageError('DAEMON_STOPPING')
      const binder = new Binder({
        clock,
        options,
        startTimeout: options.startTimeout ?? timeouts.start,
        seat: queue(driver),
      })
      queued.add(binder)
      try {
        for (let earlier = live.get(key); earlier && !earlier.accepts; earlier = live.get(key)) {
          binder.progress({ state: 'waiting', detail: earlierRunStops })
          await Promise.race([earlier.ended, binder.outcome])
        }
      } finally {
        queued.delete(binder)
      }
      // Its time may have run out in the very turn in which the earlier life ended.
      if (!binder.settled) (live.get(key) ?? create(key, driver)).join(binder)
      return (await binder.outcome) as Lease
    },

    stop: (key, { kill = false } = {}) => stop(key, kill, new Set()),

    async restart(key) {
      if (draining) throw new MoorageError('DAEMON_STOPPING')
      const service = running(key)
      const binder = new Binder({
        clock,
        options: { holder: { kind: 'restart' }, checks: service.restartChecks },
        startTimeout: service.startTimeout,
        seat: service,
        takesLease: false,
      })
      service.restart(binder)
      await binder.outcome
    },

    hurry: (key) => live.get(key)?.hurry(),

    get: (key) => live.get(key)?.snapshot() ?? ended.find((row) => row.key === key),

    list: () => [...[...live.values()].reverse().map((service) => service.snapshot()), ...ended],

    drain({ timeout = timeouts.drain, order = 'dependents-first' } = {}) {
      if (drained === undefined) {
        draining = true
        for (const binder of [...queued]) binder.fail(new MoorageError('DAEMON_STOPPING'))
        drained = drain(() => [...live.values()], clock, { timeout, order })
      }
      return drained
    },
  }
}

/**
 * Calls an observer in a turn of its own, so that one that calls back finds no service half-way between two states. Its
 * failure must not become a service's.
 */
function observe<T>(observer: (news: T) => void, news: T): void {
  queueMicrotask(() => {
    try {
      observer(news)
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error))
    }
  })
}

import { type Holder, type Lease, type StateName, scopedKey } from '../../lifecycle/index.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { checksOf } from '../plan/health-checks.ts'
import type { PlannedService } from '../plan/planned.ts'
import { stopSignalOf } from '../plan/stop-signal.ts'
import type { AcquireBindings } from './evaluation.ts'
import { serviceDriver } from './service-driver.ts'

export interface AcquireService {
  service: PlannedService
  network: string
  holder: Holder
  alias?: string
  caller: Caller
}

/** A lease on a service, which is started if it does not run. */
export async function acquireService(context: EngineContext, wanted: AcquireService): Promise<Lease> {
  const { service, network, holder, alias, caller } = wanted
  const { exec, options } = service
  const key = scopedKey(network, exec.label)
  const stopSignal = stopSignalOf(service)
  const waits = (detail: string) =>
    context.report.wait({ exec, network, holder, detail, ...(alias === undefined ? {} : { alias }) })
  const { state } = context.services.get(key) ?? {}
  if (state !== 'ready' && state !== 'grace') waits(waitWords[state ?? 'stopped'] ?? 'its start')
  const refused = new AbortController()
  const acquired = context.services.acquire(key, serviceDriver(context, service, network), {
    holder,
    checks: checksOf(service),
    signal: AbortSignal.any([caller.signal, refused.signal]),
    ...(alias === undefined ? {} : { alias }),
    ...(options.grace === undefined ? {} : { grace: options.grace }),
    ...(options.startTimeout === undefined ? {} : { startTimeout: options.startTimeout }),
    ...(options.stopTimeout === undefined ? {} : { stopTimeout: options.stopTimeout }),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    onProgress: (progress) => {
      if (progress.state === 'waiting') waits(progress.detail ?? 'its start')
    },
  })
  try {
    context.volumes.check(holder)
  } catch (error) {
    refused.abort(error)
  }
  return acquired
}

/** What one who wants a service waits for, where that is not plain. */
const waitWords: Partial<Record<StateName, string>> = {
  starting: 'its start, which is under way',
  stopping: 'the end of its earlier run',
}

/** Acquires all services that something is bound to: see `Evaluator` in context.ts. */
export async function acquireBindings(context: EngineContext, request: AcquireBindings): Promise<Lease[]> {
  const { bindings, network, holder, caller, releases } = request
  const settled = await Promise.allSettled(
    bindings.map(({ alias, service }) =>
      acquireService(context, { service, network, holder, alias, caller }),
    ),
  )
  const leases = settled.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  for (const lease of leases) releases.add('release a lease', () => lease.release())
  const failed = settled.find((outcome) => outcome.status === 'rejected')
  if (failed) throw failed.reason
  return leases
}

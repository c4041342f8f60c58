import { type Holder, type Lease, type StateName, scopedKey } from '../../lifecycle/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { checksOf } from '../plan/health-checks.ts'
import type { PlannedService } from '../plan/planned.ts'
import { stopSignalOf } from '../plan/stop-signal.ts'
import type { AcquireBindings } from './exec-requests.ts'
import { serviceDriver } from './service-driver.ts'

export interface AcquireService {
  service: PlannedService
  network: string
  holder: Holder
  alias?: string
  caller: Caller
}

/** Acquires a lease on a service, which is started if it does not run. */
export async function acquireService(context: EngineContext, request: AcquireService): Promise<Lease> {
  const { service, network, holder, alias, caller } = request
  const { exec, options } = service
  const { grace, startTimeout, stopTimeout } = options
  const key = scopedKey(network, exec.label)
  const stopSignal = stopSignalOf(service)
  const tellWait = (detail: string) =>
    context.report.wait({ exec, network, holder, detail, ...withoutUndefined({ alias }) })
  const { state } = context.services.get(key) ?? {}
  if (state !== 'ready' && state !== 'grace') tellWait(waitWords[state ?? 'stopped'] ?? 'its start')
  const deadlock = new AbortController()
  const acquired = context.services.acquire(key, serviceDriver(context, service, network), {
    holder,
    checks: checksOf(service),
    signal: AbortSignal.any([caller.signal, deadlock.signal]),
    ...withoutUndefined({ alias, grace, startTimeout, stopTimeout, stopSignal }),
    onProgress: (progress) => {
      if (progress.state === 'waiting') tellWait(progress.detail ?? 'its start')
    },
  })
  try {
    context.volumes.check(holder)
  } catch (error) {
    deadlock.abort(error)
  }
  return acquired
}

/** Says what a binder waits for, by the state in which it finds the service. */
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

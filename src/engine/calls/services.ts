import type { ServiceRow } from '../../definition/index.ts'
import { type ScopedKey, scopedKey } from '../../lifecycle/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { EventSubscription } from '../events/event-subscription.ts'
import { execInService } from '../execution/exec-in-service.ts'
import { holdService } from '../execution/hold-service.ts'
import { defaultNetwork } from '../networks/networks.ts'
import { logPieces } from '../registry/follow-run.ts'
import { isLive, serviceRow } from '../rows/service-row.ts'
import type { CallParts } from './call-parts.ts'

/** Makes the calls on services and on running commands. */
export function createServiceCalls(
  context: EngineContext,
  { callerSignals, closing, plans, finder }: CallParts,
): Pick<Engine, 'start' | 'stop' | 'restart' | 'exec' | 'logs'> {
  const { services } = context
  return {
    async start(request, holder, requester) {
      using callerSignal = callerSignals.open(requester.signal)
      const caller = { ...requester, signal: callerSignal.signal }
      const network = request.network ?? defaultNetwork
      using subscription = new EventSubscription(context.events, { network, holder, onEvent: caller.onEvent })
      const exec = await plans.exec(request.definition, caller, subscription)
      const service = { exec, options: request.service }
      const held = await holdService(context, {
        service,
        network,
        holder: { kind: 'caller', name: holder },
        caller,
        publish: request.publish ?? [],
      })
      const key = scopedKey(network, exec.label)
      const snapshot = services.get(key)
      const row = snapshot && serviceRow(snapshot, context.published.of(key))
      return { ...held, row: row ?? finder.service(exec.label, network) }
    },

    async stop(id, options = {}) {
      const row = finder.service(id, options.network)
      await services.stop(keyOf(row), { kill: options.kill ?? false })
      return finder.service(row.label, row.network)
    },

    async restart(id, options = {}) {
      const row = finder.service(id, options.network)
      await services.restart(keyOf(row))
      await context.published.settled(keyOf(row))
      return finder.service(row.label, row.network)
    },

    async exec(id, request, caller, network) {
      using callerSignal = callerSignals.open(caller.signal)
      const record = finder.record(id, network)
      return await execInService(context, record, request, { ...caller, signal: callerSignal.signal })
    },

    async *logs(id, { network, ...options }) {
      const record = finder.record(id, network)
      yield* logPieces(context, record, {
        ...options,
        signal: AbortSignal.any([options.signal, closing]),
        isLive: ({ label, row }) =>
          finder
            .rows()
            .some((service) => isLive(service) && keyOf(service) === scopedKey(row.network, label)),
      })
    },
  }
}

function keyOf({ network, label }: ServiceRow): ScopedKey {
  return scopedKey(network, label)
}

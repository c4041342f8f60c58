import type { ServiceRow } from '../../definition/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { Follower } from '../events/event-subscription.ts'
import { serviceKey } from '../execution/bindings.ts'
import { execInService } from '../execution/exec-in-service.ts'
import { holdService } from '../execution/hold-service.ts'
import { defaultNetwork } from '../networks/networks.ts'
import { logPieces } from '../registry/follow-run.ts'
import { isLive, serviceRow } from '../rows/service-row.ts'
import type { CallParts } from './call-parts.ts'

/** The calls on services, and on runs that go on. */
export function serving(
  context: EngineContext,
  { interests, closing, plans, finder }: CallParts,
): Pick<Engine, 'start' | 'stop' | 'restart' | 'exec' | 'logs'> {
  const { services } = context
  return {
    async start(request, holder, given) {
      // An evaluation ends when the engine closes, too.
      using interest = interests.open(given.signal)
      const caller = { ...given, signal: interest.signal }
      const network = request.network ?? defaultNetwork
      using follower = new Follower(context.events, { network, holder, onEvent: caller.onEvent })
      const exec = await plans.exec(request.definition, caller, follower)
      const service = { exec, options: request.service }
      const held = await holdService(context, {
        service,
        network,
        holder,
        caller,
        publish: request.publish ?? [],
      })
      const key = serviceKey(network, exec)
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
      return finder.service(row.label, row.network)
    },

    async exec(id, request, given, network) {
      using interest = interests.open(given.signal)
      const record = finder.record(id, network)
      return await execInService(context, record, request, { ...given, signal: interest.signal })
    },

    async *logs(id, { network, ...options }) {
      const record = finder.record(id, network)
      yield* logPieces(context, record, {
        ...options,
        signal: AbortSignal.any([options.signal, closing]),
        isLive: ({ label, row }) =>
          finder.rows().some((one) => isLive(one) && keyOf(one) === `${row.network}/${label}`),
      })
    },
  }
}

function keyOf(row: ServiceRow): string {
  return `${row.network}/${row.label}`
}

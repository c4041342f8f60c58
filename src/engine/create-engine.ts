import { MoorageError } from '../errors/index.ts'
import type { CallParts } from './calls/call-parts.ts'
import { createCallerPlans } from './calls/caller-plans.ts'
import { CallerSignals } from './calls/caller-signals.ts'
import { createEvaluateCall } from './calls/evaluate.ts'
import { createFinder } from './calls/find-service.ts'
import { createNameCalls } from './calls/names.ts'
import { createNetworkCalls } from './calls/networks.ts'
import { createServiceCalls } from './calls/services.ts'
import { createStatusCalls } from './calls/status.ts'
import type { Engine, EngineOptions } from './engine.ts'
import { receiveDirectory } from './files/receive-directory.ts'
import { type OpenEngine, openEngine } from './open-engine.ts'
import { createHostEndpoints } from './registry/host-endpoints.ts'

/**
 * Makes an engine on a state directory, after removing what an earlier one left in the kernel.
 *
 * @throws MoorageError NOT_ROOT, STATE_LOCKED, SUBNET_IN_USE, DISK_LOW, DISK_FULL, RUNTIME_MISSING, NETWORK_FAILED
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const open = await openEngine(options)
  try {
    return engineOf(open)
  } catch (error) {
    await open.releases.run()
    throw error
  }
}

/** Joins the calls into an engine. */
function engineOf({ context, instance, stateDirectory, recovered, releases }: OpenEngine): Engine {
  const { services, store } = context
  const closing = new AbortController()
  const callerSignals = new CallerSignals()
  const endpoints = createHostEndpoints(context)
  releases.add('close the tunnels', () => endpoints.close())
  const parts: CallParts = {
    callerSignals,
    closing: closing.signal,
    plans: createCallerPlans(context),
    finder: createFinder(context),
    endpoints,
  }
  const self: Engine = {
    instance,
    stateDirectory,
    runtime: context.runtime.name,
    recovered,
    events: context.events,
    ...createEvaluateCall(context, parts),
    ...createServiceCalls(context, parts),
    ...createNameCalls(context, parts),
    ...createNetworkCalls(context),
    ...createStatusCalls(context, parts),
    missingDirectories: (digests) => digests.filter((digest) => !store.trees.has(digest)),
    receiveDirectory: (digest, tar, signal) => receiveDirectory(store, digest, tar, signal),

    async close(drainOptions = {}) {
      const reason = new MoorageError('DAEMON_STOPPING')
      closing.abort(reason)
      callerSignals.end(reason)
      try {
        await services.drain(drainOptions)
      } finally {
        await releases.run()
      }
    },
    [Symbol.asyncDispose]: () => self.close(),
  }
  return self
}

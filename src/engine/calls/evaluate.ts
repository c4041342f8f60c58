import { randomUUID } from 'node:crypto'
import {
  type Definition,
  type ExecOutput,
  type Output,
  type PartOutput,
  type PortForward,
  portForwardText,
  type RunRow,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { EventSubscription } from '../events/event-subscription.ts'
import { outputOf } from '../execution/exec-output.ts'
import { publishFor } from '../execution/hold-service.ts'
import { inputOf, twoInputs } from '../execution/input.ts'
import { outputOfPart } from '../execution/part-output.ts'
import { defaultNetwork } from '../networks/networks.ts'
import { followRun, sendOutput } from '../registry/follow-run.ts'
import { OutputCache } from '../registry/output-cache.ts'
import type { RunRecord } from '../registry/run-records.ts'
import type { CallParts } from './call-parts.ts'

/** Makes the call that answers with a definition's output. */
export function createEvaluateCall(
  context: EngineContext,
  { callerSignals, plans }: CallParts,
): Pick<Engine, 'evaluate'> {
  const outputs = new OutputCache()
  return {
    async evaluate(request, requester) {
      using callerSignal = callerSignals.open(requester.signal)
      const caller = { ...requester, signal: callerSignal.signal }
      const network = request.network ?? defaultNetwork
      const { output } = request
      // A run whose input is a stream is no value: nobody else may get its result.
      const own = request.own || requester.input ? randomUUID() : undefined
      using subscription = new EventSubscription(context.events, { network, own, onEvent: caller.onEvent })
      if (!isExecOutput(output) || !isExec(request.definition)) {
        if (caller.input) throw new MoorageError('INVALID_REQUEST', { reason: 'only a command has an input' })
        const part = await plans.part(request.definition, caller, subscription)
        if (isPartOutput(output))
          return await outputOfPart(context, { part, output, limit: request.limit, network, caller })
        throw new MoorageError('INVALID_REQUEST', { reason: `only a command has the output "${output}"` })
      }
      const exec = await plans.exec(request.definition, caller, subscription)
      if (exec.hostPorts) {
        throw new MoorageError('INVALID_DEFINITION', { reason: 'ports of the host have no output' })
      }
      if (exec.stdin !== undefined && caller.input) throw twoInputs()
      let following: Promise<void> | undefined
      let running: RunRecord | undefined
      // Declared before `published`, so disposed of after it: ports are listed until they are closed.
      using listed = new DisposableStack()
      await using published = await publishFor(context, network, request.publish ?? [], () =>
        running?.ended.aborted || running?.row.network !== network
          ? undefined
          : (running.row.address ?? undefined),
      )
      if (published.ports.length > 0) caller.onEvent({ type: 'ports', ports: [...published.ports] })
      // A caller that cannot get all of the output waits no longer.
      const unsent = new AbortController()
      const signal = request.logs ? AbortSignal.any([caller.signal, unsent.signal]) : caller.signal
      const evaluation = context.evaluator.evaluateExec({
        exec,
        network,
        caller: { ...caller, signal },
        own,
        reads: request.logs ?? false,
        ...withoutUndefined({ input: inputOf(caller) }),
        onRun(record) {
          running = record
          const { row } = record
          listHostPorts(row, [...row.hostPorts, ...published.ports])
          listed.defer(() => {
            const others = row.hostPorts.filter((port) => !published.ports.includes(port))
            listHostPorts(row, others)
          })
          if (!request.logs) return
          following = followRun(context, record, caller)
          following.catch((error) => unsent.abort(error))
        },
      })
      // What the run wrote before it failed comes before the failure.
      const result = await evaluation.catch(async (error) => {
        await following?.catch(() => undefined)
        throw error
      })
      try {
        if (request.logs) {
          const startedAt = result.cachedAt ?? Date.now()
          const output = { directory: result.logs, run: exec.label, startedAt, args: exec.args }
          await (following ?? sendOutput(caller, output))
        }
        const value = await outputOf(exec, result, output, outputs)
        return {
          type: 'result',
          value,
          exitCode: result.exitCode,
          ...(result.cachedAt === undefined ? {} : { cachedAge: Math.max(0, Date.now() - result.cachedAt) }),
        }
      } finally {
        context.background('let go of a layer', result.release())
      }
    },
  }
}

function isExec({ ops, root }: Definition): boolean {
  return ops[root]?.op === 'exec'
}

function isExecOutput(output: Output): output is ExecOutput {
  return ['stdout', 'stderr', 'exitCode', 'sync'].includes(output)
}

function isPartOutput(output: Output): output is PartOutput {
  return output === 'sync' || !isExecOutput(output)
}

function listHostPorts(row: RunRow, hostPorts: PortForward[]): void {
  row.hostPorts = hostPorts
  row.ports = hostPorts.map(portForwardText)
}

import { closeSync, constants, openSync } from 'node:fs'
import type { ExecOutput, LogEvent } from '../definition/index.ts'
import { MoorageError } from '../errors.ts'
import { readLog, readStream } from '../logs/index.ts'
import type { Caller } from './context.ts'
import type { ExecOutcome } from './evaluate.ts'
import type { KeptOutputs } from './kept-outputs.ts'
import type { PlannedExec } from './plan.ts'

/** The most that `stdout()` and `stderr()` return. */
const outputLimit = 16 * 1024 * 1024

/** What the caller asked an exec for. */
export async function outputOf(
  exec: PlannedExec,
  outcome: ExecOutcome,
  output: ExecOutput,
  kept: KeptOutputs,
): Promise<string | number> {
  if (output === 'exitCode') return outcome.exitCode
  if (output === 'sync') return exec.digest
  // A run that is not stored may have its log moved, and is not asked about again.
  const key = outcome.cachedAt === undefined ? undefined : `${outcome.logs}/${output}`
  const known = key === undefined ? undefined : kept.get(key)
  const bytes = known ?? (await readStream(outcome.logs, output, { limit: outputLimit }))
  if (key !== undefined && bytes !== undefined && known === undefined) kept.set(key, bytes)
  if (bytes === undefined) {
    throw new MoorageError('OUTPUT_TOO_LARGE', {
      stream: output,
      command: exec.args.join(' '),
      size: `more than ${outputLimit}`,
      limit: outputLimit,
    })
  }
  return bytes.toString()
}

/**
 * A log's directory by a descriptor, so that reading goes on when the directory is moved into the store meanwhile.
 */
export function openLog(directory: string): { path: string; close(): void } {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  return { path: `/proc/self/fd/${descriptor}`, close: () => closeSync(descriptor) }
}

/** Sends a run's whole output to a caller, from the start and then live, until it has ended. */
export async function followRun(
  directory: string,
  ended: AbortSignal | undefined,
  caller: Caller,
): Promise<void> {
  for await (const event of logEvents(directory, { signal: caller.signal, ...(ended ? { ended } : {}) })) {
    caller.onEvent(event)
    await caller.drained?.()
  }
}

/** The frames of a log as events. Without `ended` it is what is there now. */
export async function* logEvents(
  directory: string,
  options: { signal: AbortSignal; ended?: AbortSignal; since?: number },
): AsyncGenerator<LogEvent> {
  const log = openLog(directory)
  try {
    for await (const { stream, time, data } of readLog(log.path, options)) {
      if (options.since !== undefined && time < options.since) continue
      yield { type: 'log', stream, time, data: data.toString('base64') }
    }
  } finally {
    log.close()
  }
}

import type { ExecOutput } from '../definition/index.ts'
import { MoorageError } from '../errors.ts'
import { readStream } from '../logs/index.ts'
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

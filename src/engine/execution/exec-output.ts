import type { ExecOutput } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { readStream } from '../../logs/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { OutputCache } from '../registry/output-cache.ts'
import type { ExecOutcome } from './run-exec.ts'

/** The most that `stdout()` and `stderr()` return. */
const outputLimit = 16 * 1024 * 1024

/** What the caller asked an exec for. */
export async function outputOf(
  exec: PlannedExec,
  outcome: ExecOutcome,
  output: ExecOutput,
  kept: OutputCache,
): Promise<string | number> {
  if (output === 'exitCode') return outcome.exitCode
  if (output === 'sync') return exec.digest
  const bytes = await kept.get(`${outcome.logs}/${output}`, () =>
    readStream(outcome.logs, output, { limit: outputLimit }),
  )
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

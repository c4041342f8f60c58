import type { ExecOutput } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { readStream } from '../../logs/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { OutputCache } from '../registry/output-cache.ts'
import type { ExecResult } from './evaluation.ts'

/** The most bytes that `stdout()` and `stderr()` return. */
const outputLimit = 16 * 1024 * 1024

/** Returns the output of an exec that the caller asked for. */
export async function outputOf(
  exec: PlannedExec,
  result: ExecResult,
  output: ExecOutput,
  kept: OutputCache,
): Promise<string | number> {
  if (output === 'exitCode') return result.exitCode
  if (output === 'sync') return exec.digest
  const bytes = await kept.get(`${result.logs}/${output}`, () =>
    readStream(result.logs, output, { limit: outputLimit }),
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

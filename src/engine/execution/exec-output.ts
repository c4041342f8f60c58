import type { ExecOutput } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { readStream } from '../../logs/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { OutputCache } from '../registry/output-cache.ts'
import type { ExecResult } from './exec-requests.ts'

/** The most bytes that `stdout()` and `stderr()` return. */
export const outputLimit = 16 * 1024 * 1024

/** Returns the output of an exec that the caller asked for. */
export async function outputOf(
  exec: PlannedExec,
  result: ExecResult,
  output: ExecOutput,
  kept: OutputCache,
): Promise<string | number> {
  if (output === 'exitCode') return result.exitCode
  if (output === 'sync') return exec.digest
  const bytes = await kept.get(`${result.logs}/${output}`, async () => {
    const read = await readStream(result.logs, output, { limit: outputLimit })
    if (read === 'not kept') {
      throw new MoorageError('OUTPUT_LOST', {
        what: `some of the ${output} of ${exec.args.join(' ')}`,
        reason: 'the run wrote more than is kept',
      })
    }
    return read === 'too long' ? undefined : read
  })
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

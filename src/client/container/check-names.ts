import { labelProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** @throws MoorageError INVALID_OPTION */
export function checkVariable(name: string): void {
  if (name === '' || name.includes('=')) {
    throw new MoorageError('INVALID_OPTION', {
      option: `variable "${name}"`,
      reason: 'that is no name of a variable',
    })
  }
}

/** @throws MoorageError INVALID_OPTION */
export function checkHostname(name: string): void {
  const reason = labelProblem(name)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `hostname "${name}"`, reason })
}

/** @throws MoorageError INVALID_OPTION */
export function checkStopSignal(signal: string): void {
  if (!/^SIG[A-Z0-9]+$/.test(signal)) {
    throw new MoorageError('INVALID_OPTION', {
      option: `stop signal "${signal}"`,
      reason: 'it is a name like SIGINT',
    })
  }
}

import { aliasProblem, labelProblem } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** @throws MoorageError INVALID_ALIAS */
export function checkAlias(alias: string): void {
  const reason = aliasProblem(alias)
  if (reason !== undefined) throw new MoorageError('INVALID_ALIAS', { alias, reason })
}

/** @throws MoorageError INVALID_OPTION */
export function checkHostname(name: string): void {
  const reason = labelProblem(name)
  if (reason !== undefined) throw new MoorageError('INVALID_OPTION', { option: `hostname "${name}"`, reason })
}

/** @throws MoorageError INVALID_OPTION */
export function checkVariableName(name: string): void {
  if (name !== '' && !name.includes('=')) return
  const reason = 'the name of a variable is not empty and holds no "="'
  throw new MoorageError('INVALID_OPTION', { option: `variable "${name}"`, reason })
}

/** @throws MoorageError INVALID_OPTION */
export function checkStopSignal(signal: string): void {
  if (/^SIG[A-Z0-9]+$/.test(signal)) return
  const reason = 'it is a name like SIGINT'
  throw new MoorageError('INVALID_OPTION', { option: `stop signal "${signal}"`, reason })
}

import {
  aliasProblem,
  labelProblem,
  signalName,
  signalNumber,
  signalProblem,
} from '../../definition/index.ts'
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

/** Returns the usual name of a signal: SIGQUIT for `quit` or `3`. @throws MoorageError INVALID_OPTION */
export function stopSignalOf(signal: string): string {
  const text = String(signal)
  const name = signalName(signalNumber(text) ?? 0)
  if (name !== undefined) return name
  const reason = signalProblem(text) ?? ''
  throw new MoorageError('INVALID_OPTION', { option: `stop signal "${text}"`, reason })
}

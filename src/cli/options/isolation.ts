import type { NetworkSettings } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** Reads the value of `--isolation`. @throws MoorageError INVALID_OPTION */
export function isolationOf(text: string): NonNullable<NetworkSettings['isolation']> {
  if (text === 'network' || text === 'bindings') return text
  throw new MoorageError('INVALID_OPTION', {
    option: '--isolation',
    reason: `"${text}" is not network or bindings`,
  })
}

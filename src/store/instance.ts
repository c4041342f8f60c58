import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { base32hex } from '../base32hex.ts'

/**
 * Returns the instance id of a daemon, which is in the names of all that it makes in the kernel: the first six
 * characters, in lower-case base32hex, of the sha256 of its state directory's real path.
 */
export function instanceOf(stateDirectory: string): string {
  return base32hex(createHash('sha256').update(realpathSync(stateDirectory)).digest(), 6)
}

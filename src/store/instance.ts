import { createHash } from 'node:crypto'
import { realpathSync } from 'node:fs'

const alphabet = '0123456789abcdefghijklmnopqrstuv'

/**
 * A daemon's instance id, which every kernel name of its carries: the first six characters, in lower-case base32hex,
 * of the sha256 of its state directory's real path.
 */
export function instanceOf(stateDirectory: string): string {
  const hash = createHash('sha256').update(realpathSync(stateDirectory)).digest()
  const bits = hash.readUInt32BE(0)
  return Array.from({ length: 6 }, (_, i) => alphabet[(bits >>> (27 - 5 * i)) & 31]).join('')
}

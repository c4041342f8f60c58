/** An instance marks everything that a daemon, or a network alone, has in the kernel: 6 characters of base32hex. */
import { createHash } from 'node:crypto'
import { NetnsError } from '../kernel/index.ts'

export const isInstance = (text: string) => /^[0-9a-v]{6}$/.test(text)

/** @throws NetnsError `INVALID_NAME` */
export function checkInstance(instance: string): string {
  if (isInstance(instance)) return instance
  throw new NetnsError(
    'INVALID_NAME',
    `the instance "${instance}" is not 6 characters of base32hex (0-9, a-v)`,
  )
}

const alphabet = '0123456789abcdefghijklmnopqrstuv'

/** Derives an instance for a network that was given none. */
export function deriveInstance(...parts: readonly unknown[]): string {
  const digest = createHash('sha256').update(parts.join('\0')).digest()
  return Array.from(digest.subarray(0, 6), (byte) => alphabet[byte & 31]).join('')
}

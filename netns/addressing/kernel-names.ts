/** The names of everything in the kernel and in the run directory; all that the host sees carries the instance. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { NetnsError } from '../kernel/index.ts'

/** Inside a network's namespace names are its own affair. */
export const bridgePrefix = 'br'
export const bridgeName = `${bridgePrefix}0`
export const networkTable = 'moorage'
export const innerUplinkName = 'up0'
export const sandboxLinkName = 'eth0'

/** With the instance and a counter of at most 4 characters it fills the 15 that a link's name may have. */
export const uplinkPrefix = (instance?: string) => (instance === undefined ? 'moor' : `moor${instance}u`)

/** A name is not used again at once: its last bearer may still be dying in the kernel. */
export const uplinkName = (instance: string, count: number) =>
  `${uplinkPrefix(instance)}${(count % 36 ** 4).toString(36)}`

export const tableName = (instance: string) => `moorage_${instance}`

export const namespaceDirectory = (runDirectory: string) => join(runDirectory, 'netns')

/** @throws NetnsError `INVALID_NAME` */
export function checkInstance(instance: string): string {
  if (!/^[0-9a-v]{6}$/.test(instance)) {
    throw new NetnsError(
      'INVALID_NAME',
      `the instance "${instance}" is not 6 characters of base32hex (0-9, a-v)`,
    )
  }
  return instance
}

/** @throws NetnsError `INVALID_NAME` */
export function checkName(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name)) {
    throw new NetnsError(
      'INVALID_NAME',
      `the network name "${name}" is not one: up to 63 letters, digits, "-" and "_", the first a letter or digit`,
    )
  }
  return name
}

const alphabet = '0123456789abcdefghijklmnopqrstuv'

/** An instance of its own for a network that nobody gave one. */
export function deriveInstance(...parts: readonly unknown[]): string {
  const digest = createHash('sha256').update(parts.join('\0')).digest()
  return Array.from(digest.subarray(0, 6), (byte) => alphabet[byte & 31]).join('')
}

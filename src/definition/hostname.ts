import { base32hex } from '../base32hex.ts'

/** The zone of all names. `.internal` is reserved by ICANN for private use, so it is never delegated. */
export const zone = 'moorage.internal'

/** Returns the first 80 bits of a digest in lower-case base32hex: 16 characters, a DNS label. */
export function labelOf(digest: string): string {
  return base32hex(Buffer.from(digest.replace(/^sha256:/, '').slice(0, 20), 'hex'), 16)
}

/** Returns the full name of a label in the zone. */
export function hostnameOf(label: string): string {
  return `${label}.${zone}`
}

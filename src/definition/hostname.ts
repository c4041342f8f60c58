/** What all names are in. `.internal` is reserved by ICANN for private use, so it is never delegated. */
export const zone = 'moorage.internal'

const alphabet = '0123456789abcdefghijklmnopqrstuv'

/** The first 80 bits of a digest in lower-case base32hex (RFC 4648 section 7): 16 characters, a DNS label. */
export function labelOf(digest: string): string {
  const bytes = Buffer.from(digest.replace(/^sha256:/, '').slice(0, 20), 'hex')
  let bits = 0n
  for (const byte of bytes) bits = (bits << 8n) | BigInt(byte)
  let label = ''
  for (let shift = 75n; shift >= 0n; shift -= 5n) label += alphabet[Number((bits >> shift) & 31n)]
  return label
}

/** The full name of a label in the zone. */
export function hostnameOf(label: string): string {
  return `${label}.${zone}`
}

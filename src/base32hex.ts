const alphabet = '0123456789abcdefghijklmnopqrstuv'

/**
 * Encodes the first bits of `bytes` in base32hex, lower case, without padding.
 *
 * @param length - number of characters, of 5 bits each
 * @see RFC 4648 section 7
 */
export function base32hex(bytes: Uint8Array, length: number): string {
  let text = ''
  for (let index = 0; index < length; index += 1) {
    const bit = index * 5
    const pair = ((bytes[bit >> 3] ?? 0) << 8) | (bytes[(bit >> 3) + 1] ?? 0)
    text += alphabet[(pair >> (11 - (bit & 7))) & 31]
  }
  return text
}

import { DnsError } from '../errors.ts'

/** The most octets of a label without its length, and of a whole name in wire form (RFC 1035, 2.3.4). */
export const longestLabel = 63
export const longestName = 255

/** Maps A-Z to lower case, and every other octet to itself (RFC 4343): also lengths of labels, which are below `A`. */
export const folded = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 0x41 && octet <= 0x5a ? octet + 0x20 : octet,
)

/** FNV-1a, octet by octet. */
export const hashStart = 0x811c9dc5 | 0
export function hashStep(hash: number, octet: number): number {
  return Math.imul(hash ^ (folded[octet] as number), 0x01000193)
}

/** The hash of a name in wire form, its closing zero included; equal for names that differ in case only. */
export function hashName(octets: Uint8Array, start: number, end: number): number {
  let hash = hashStart
  for (let at = start; at < end; at++) hash = hashStep(hash, octets[at] as number)
  return hash
}

/** The offset of the last label of a name in wire form; that of the root is `start`. */
export function lastLabel(octets: Uint8Array, start: number, end: number): number {
  let last = start
  for (let at = start; at < end - 1; at += (octets[at] as number) + 1) last = at
  return last
}

/** Tells whether two stretches of `length` octets are equal, regardless of ASCII case. */
export function sameName(
  a: Uint8Array,
  aStart: number,
  b: Uint8Array,
  bStart: number,
  length: number,
): boolean {
  for (let at = 0; at < length; at++) {
    if (folded[a[aStart + at] as number] !== folded[b[bStart + at] as number]) return false
  }
  return true
}

const hostCharacters = /^[a-z0-9_-]+$/

/** The octet of each character of a host name, in lower case; 0 for characters that a host name cannot have. */
const hostOctets = Uint8Array.from({ length: 128 }, (_, code) =>
  hostCharacters.test(String.fromCharCode(code).toLowerCase()) ? (folded[code] as number) : 0,
)

/** Writes a host name in one pass, as nearly all names are; `undefined` for any other, which `wireName` checks. */
function plainName(text: string): Buffer | undefined {
  const size = text.endsWith('.') ? text.length - 1 : text.length
  if (size === 0 || size > longestName - 2) return undefined
  const wire = Buffer.alloc(size + 2)
  let label = 0
  for (let at = 0; at <= size; at++) {
    const code = at === size ? dot : text.charCodeAt(at)
    if (code === dot) {
      const length = at - label
      if (length === 0 || length > longestLabel) return undefined
      wire[label] = length
      label = at + 1
    } else {
      const octet = code < 128 ? (hostOctets[code] as number) : 0
      if (octet === 0) return undefined
      wire[at + 1] = octet
    }
  }
  return wire
}

const dot = 0x2e

/**
 * The wire form, in lower case, of an absolute name; a dot at its end is optional, `.` is the root.
 * @param characters matches a valid label; by default, one of a host name
 * @throws DnsError `INVALID_NAME`
 */
export function wireName(text: string, characters: RegExp = hostCharacters): Buffer {
  if (text === '.') return Buffer.of(0)
  const plain = characters === hostCharacters ? plainName(text) : undefined
  if (plain !== undefined) return plain
  const labels = text.toLowerCase().replace(/\.$/, '').split('.')
  for (const label of labels) {
    if (label === '') throw new DnsError('INVALID_NAME', `"${text}" is not a name: it has an empty label`)
    if (label.length > longestLabel) {
      throw new DnsError(
        'INVALID_NAME',
        `"${text}" is not a name: its label "${label}" has ${label.length} characters, ${longestLabel} is the most`,
      )
    }
    if (!characters.test(label)) {
      throw new DnsError(
        'INVALID_NAME',
        `"${text}" is not a host name: its label "${label}" may hold letters, digits, "-" and "_" only`,
      )
    }
  }
  const wire = Buffer.concat([...labels.map((label) => Buffer.from(`?${label}`, 'latin1')), Buffer.of(0)])
  let at = 0
  for (const label of labels) {
    wire[at] = label.length
    at += label.length + 1
  }
  if (wire.length > longestName) {
    throw new DnsError(
      'INVALID_NAME',
      `"${text}" is not a name: it is longer than ${longestName - 2} characters`,
    )
  }
  return wire
}

/**
 * The text of an uncompressed name, without a dot at its end; octets that are no characters of host names are escaped.
 */
export function textName(wire: Uint8Array, start = 0): string {
  let text = ''
  let at = start
  for (let length = wire[at] ?? 0; length !== 0; length = wire[at] ?? 0) {
    if (text !== '') text += '.'
    for (let end = ++at + length; at < end; at++) text += printable(wire[at] as number)
  }
  return text === '' ? '.' : text
}

/** Escapes a dot within a label as `\.`, and an octet that cannot be printed as `\DDD` (RFC 1035, 5.1). */
function printable(octet: number): string {
  if (octet === 0x2e || octet === 0x5c) return `\\${String.fromCharCode(octet)}`
  if (octet > 0x20 && octet < 0x7f) return String.fromCharCode(octet)
  return `\\${String(octet).padStart(3, '0')}`
}

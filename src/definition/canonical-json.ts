import canonicalize from 'canonicalize'

/**
 * Canonical JSON (RFC 8785): the same text for the same value, in any process and any language.
 *
 * @throws Error for what JSON cannot say: NaN, infinities, lone surrogates
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('undefined has no canonical JSON')
  return text
}

import canonicalize from 'canonicalize'

/**
 * Returns canonical JSON (RFC 8785): the same text for the same value, in any process and any language.
 *
 * @throws Error for values that JSON does not have: NaN, infinities, lone surrogates
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value)
  if (text === undefined) throw new TypeError('undefined has no canonical JSON')
  return text
}

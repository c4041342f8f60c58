/**
 * `primary`: a zone that the user fills. `reverse`: PTR records, derived. `localhost`: every name in it is this machine
 * (RFC 6761, 6.3). `nothing`: no name in it exists (RFC 6761, 6.4; RFC 7686).
 */
export type ZoneKind = 'primary' | 'reverse' | 'localhost' | 'nothing'

/** A zone that is answered here: the part of the tree of names that begins at its name. */
export interface ZoneCut {
  readonly name: string
  readonly wire: Buffer
  readonly kind: ZoneKind
  readonly ttl: number
}

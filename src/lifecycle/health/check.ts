/** Something that must hold before a client runs. No check at all is the empty list. */
export type Check = TcpCheck

/** A connection to this port is accepted. */
export interface TcpCheck {
  kind: 'tcp'
  port: number
}

/** What a probe found; a failure says why in a word or two: `refused`. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly answer: string }

/** What a check is called, as people write it; equal checks have equal names. */
export function nameOf(check: Check): string {
  return `${check.port}/${check.kind}`
}

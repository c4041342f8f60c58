/** A condition that must hold before a client of a service runs. No check at all is the empty list. */
export type ServiceCheck = (TcpCheck | UdpCheck | HttpCheck | ExecCheck | LogCheck) & {
  timing?: AttemptTiming
}

/** A connection to this port is accepted. */
export interface TcpCheck {
  kind: 'tcp'
  port: number
}

/** A socket is bound to this port: nothing can be learned by sending, since a server need not answer. */
export interface UdpCheck {
  kind: 'udp'
  port: number
}

/** A GET of this path is answered with one of these statuses; 200 to 399 unless said. */
export interface HttpCheck {
  kind: 'http'
  port: number
  path: string
  status?: readonly number[]
}

/** A command in the container exits with 0. */
export interface ExecCheck {
  kind: 'exec'
  args: readonly string[]
}

/** A line of its output matches. */
export interface LogCheck {
  kind: 'log'
  pattern: string
  flags?: string
}

/** How a check is tried; milliseconds. */
export interface AttemptTiming {
  /** The longest that one attempt may take. */
  timeout?: number
  /** From one attempt's failure to the next attempt, instead of the growing delays. */
  interval?: number
  /** From the first attempt to the moment when a check that fails has failed for good; never unless given. */
  failsAfter?: number
}

/** The result of one attempt; a failure says why in a word or two: `refused`. */
export type CheckAnswer =
  | { readonly ok: true }
  /** `final`: trying again is of no use. */
  | { readonly ok: false; readonly answer: string; readonly final?: boolean }

/** Formats a check as people write it: `80/http /ready`. */
export function nameOf(check: ServiceCheck): string {
  switch (check.kind) {
    case 'http':
      return `${check.port}/http ${check.path}`
    case 'exec':
      return `exec ${check.args.join(' ')}`
    case 'log':
      return `log /${check.pattern}/${check.flags ?? ''}`
    default:
      return `${check.port}/${check.kind}`
  }
}

/** Equal checks have equal keys. */
export function keyOf(check: ServiceCheck): string {
  const { timeout, interval, failsAfter } = check.timing ?? {}
  const status = check.kind === 'http' ? check.status : undefined
  return JSON.stringify([
    nameOf(check),
    check.kind === 'exec' ? check.args : null,
    status ?? null,
    [timeout, interval, failsAfter],
  ])
}

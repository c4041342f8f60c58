/** Counts of what the server has done since it started. */
export interface Counters {
  /** Messages received. Each ends in exactly one of the kinds below, or is still being forwarded. */
  readonly queries: number
  /** The part of `queries` that came over TCP. */
  readonly tcpQueries: number
  /** Answered by an alias (`view`), by a zone or reverse zone, or as a name that is never asked elsewhere (`local`). */
  readonly view: number
  readonly zone: number
  readonly local: number
  /** Answered by an upstream. */
  readonly forwarded: number
  /** Answered with an error of ours: malformed, not implemented, refused. */
  readonly refused: number
  /** Not forwarded because too many queries were waiting already, and forwarded without any upstream's answer. */
  readonly overloaded: number
  readonly unreachable: number
  /** Left without an answer: the message was no query, or the server was closing. */
  readonly dropped: number
  /** Answers of ours that said that the name does not exist, and those that were truncated because they did not fit. */
  readonly noSuchName: number
  readonly truncated: number
  /** Connections that were accepted, and those that were destroyed to keep within the limits. */
  readonly connections: number
  readonly connectionsRefused: number
  /** The number of times that an upstream was found to ask this server in turn. */
  readonly loops: number
  /** Changes of zones and views. */
  readonly changes: number
  /** Connections that are open, and queries that wait for upstreams, at this moment. */
  readonly openConnections: number
  readonly waiting: number
  /** Answers that could not be sent, sockets that failed, and faults of the server itself: see the event `error`. */
  readonly errors: number
}

/** The same counts, writable. */
export type Counts = { -readonly [Name in keyof Counters]: number }

export function newCounts(): Counts {
  return {
    queries: 0,
    tcpQueries: 0,
    view: 0,
    zone: 0,
    local: 0,
    forwarded: 0,
    refused: 0,
    overloaded: 0,
    unreachable: 0,
    dropped: 0,
    noSuchName: 0,
    truncated: 0,
    connections: 0,
    connectionsRefused: 0,
    loops: 0,
    changes: 0,
    openConnections: 0,
    waiting: 0,
    errors: 0,
  }
}

/** What the server did since it started. */
export interface Counters {
  /** Messages received. Each ends in exactly one of the kinds below, or is still being forwarded. */
  readonly queries: number
  /** Of these, over TCP. */
  readonly tcpQueries: number
  /** Answered by an alias, by a zone or reverse zone, as a name that is never asked elsewhere. */
  readonly view: number
  readonly zone: number
  readonly local: number
  /** Answered by an upstream. */
  readonly forwarded: number
  /** Answered with an error of ours: malformed, not implemented, refused. */
  readonly refused: number
  /** To be forwarded, but too much was already, or nobody answered. */
  readonly overloaded: number
  readonly unreachable: number
  /** Not answered: not a query, or the server was closing. */
  readonly dropped: number
  /** Of all answers of ours, those that said that the name does not exist; and those that did not fit. */
  readonly noSuchName: number
  readonly truncated: number
  /** Connections that were accepted, and those destroyed to keep within limits. */
  readonly connections: number
  readonly connectionsRefused: number
  /** Upstreams that were found to ask this server in turn; each time it was found. */
  readonly loops: number
  /** Changes of zones and views. */
  readonly changes: number
  /** At this moment: connections that are open, and queries that wait for upstreams. */
  readonly openConnections: number
  readonly waiting: number
  /** Answers that could not be sent, sockets that failed, and faults of the server itself: see the event `error`. */
  readonly errors: number
}

/** The same, while it is counted. */
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

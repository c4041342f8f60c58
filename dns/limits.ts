/** Limits of the server, in all and for each client. Times are in milliseconds, sizes in octets. */
export interface Limits {
  /** The most we send over UDP, and tell EDNS clients to send: it fits every link without fragments. */
  readonly udpSize: number
  /** TCP connections in all, and from one client. At the limit, the oldest idle one makes room for a new one. */
  readonly connections: number
  readonly connectionsPerClient: number
  /** Queries of one connection that wait for an upstream. At the limit it is read no further (RFC 7766, 6.2.1). */
  readonly queriesPerConnection: number
  /** Time without a complete query after which a connection is destroyed (RFC 7766, 6.2.3). */
  readonly idle: number
  /** Answers that a connection's client may leave unread. */
  readonly unreadAnswers: number
  /** Queries that upstreams are asked at a time in all, and for one client, so that it cannot starve the rest. */
  readonly forwards: number
  readonly forwardsPerClient: number
  /** Queries that wait until they may be asked, in all and of one client, for `forward` at most. More are refused. */
  readonly forwardQueue: number
  readonly forwardQueuePerClient: number
  /** Time for one upstream to answer, and for all of them: below the 5 s after which glibc and musl give up. */
  readonly upstream: number
  readonly forward: number
  /** Time after which an upstream that did not answer, and is asked last since, is tried beside the others. */
  readonly upstreamPause: number
  /** Time for which an upstream that asks this server in turn is left out. */
  readonly loopPause: number
  /** Time that `close()` waits for queries in flight. */
  readonly drain: number
}

export const defaultLimits: Limits = {
  udpSize: 1232,
  connections: 1024,
  connectionsPerClient: 16,
  queriesPerConnection: 32,
  idle: 10_000,
  unreadAnswers: 256 * 1024,
  forwards: 4096,
  forwardsPerClient: 1024,
  forwardQueue: 16_384,
  forwardQueuePerClient: 4096,
  upstream: 2000,
  forward: 4500,
  upstreamPause: 10_000,
  loopPause: 60_000,
  drain: 1000,
}

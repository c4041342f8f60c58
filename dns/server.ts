import { randomInt } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { EventEmitter } from 'eventemitter3'
import { createQueryHandler, type QueryHandler } from './answering/handle-query.ts'
import type { Knowledge } from './answering/knowledge.ts'
import { type Clock, systemClock } from './clock.ts'
import { type Counters, newCounts } from './counters.ts'
import { DnsError } from './errors.ts'
import type { DnsEvents } from './events.ts'
import { defaultLimits } from './limits.ts'
import { checkOptions, type DnsServerOptions } from './options.ts'
import { closeListener, discard, type Listener, openListener } from './sockets/listener.ts'
import { servePackets } from './sockets/packet-socket.ts'
import { createConnections } from './sockets/tcp-connections.ts'
import { serveUdp } from './sockets/udp-listener.ts'
import { createForwarder } from './upstream/ask-upstreams.ts'
import { createRoutes } from './upstream/routes.ts'
import { type Endpoint, parseAddress } from './wire/address.ts'
import { type DnsAnswer, decodeAnswer } from './wire/decode-answer.ts'
import { encodeQuery } from './wire/encode-query.ts'
import { wireName } from './wire/name.ts'
import { typeCode, typeName } from './wire/record-types.ts'
import type { Change } from './zones/change.ts'
import { type EditableZones, editableZones } from './zones/editable-zones.ts'
import { ViewTable } from './zones/view-table.ts'
import { createZones } from './zones/zones.ts'

/** An authoritative DNS server with a view for each client, which asks other resolvers for all other names. */
export interface DnsServer extends EditableZones, AsyncDisposable {
  /**
   * Answers as a client would be answered, without a socket; asks upstreams if it must.
   * @param name with or without a dot at its end; it is never completed
   * @param type `A`, `PTR`, `TYPE65`, …
   * @param options `as`: the client's address; without it, the answer comes from the zones and no view
   * @throws DnsError `INVALID_NAME`, `INVALID_TYPE`, `INVALID_ADDRESS`, `INVALID_ANSWER`, `CLOSED`; the signal's reason
   */
  query(name: string, type?: string, options?: QueryOptions): Promise<DnsAnswer>
  /** True until `close()` is called. */
  readonly ready: boolean
  /** The addresses and ports that it listens on. */
  readonly addresses: readonly Endpoint[]
  readonly counters: Counters
  /** The source of `respond()`'s answers, for programs that bring their own sockets. */
  readonly knowledge: Knowledge
  on<Name extends keyof DnsEvents>(event: Name, listener: DnsEvents[Name]): void
  off<Name extends keyof DnsEvents>(event: Name, listener: DnsEvents[Name]): void
  /** Takes no more queries, waits for those in flight (at most `limits.drain`), and closes the sockets. */
  close(): Promise<void>
}

export interface QueryOptions {
  as?: string
  signal?: AbortSignal
}

/**
 * Starts a server; when the promise is fulfilled, its sockets are bound.
 *
 * @example
 * await using dns = await createDnsServer({ zones: ['dev.internal'], listen: [{ address: '127.0.0.1', port: 5353 }] })
 * dns.zone('dev.internal').set('db', ['10.0.0.7'])
 * dns.views.set('10.0.0.9', { postgres: 'db' })
 *
 * @throws DnsError `INVALID_OPTION`, `INVALID_NAME`, `ADDRESS_IN_USE`, `LISTEN_FAILED`; all sockets are closed then,
 * also those that were handed over
 */
export async function createDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const opened: Listener[] = []
  const unopened = [...(options.listen ?? [])]
  try {
    checkOptions(options)
    for (let listen = unopened.shift(); listen !== undefined; listen = unopened.shift()) {
      opened.push(await openListener(listen))
    }
    return dnsServer(options, opened)
  } catch (error) {
    await Promise.all([...opened.map(closeListener), ...unopened.map(discard)])
    throw error
  }
}

function dnsServer(options: DnsServerOptions, listeners: readonly Listener[]): DnsServer {
  const { ttl = 0, upstreams = 'none', resolvConf = '/etc/resolv.conf', clock = systemClock } = options
  const limits = { ...defaultLimits, ...options.limits }
  const domains = options.routes ?? {}
  const zones = createZones(options.zones, options.reverse ?? [], ttl, Object.keys(domains))
  const routes = createRoutes(upstreams, domains, resolvConf, listeners)
  const views = new ViewTable()
  const knowledge: Knowledge = {
    names: zones.names,
    views,
    recursion: routes.recursion,
    routes,
    shortNames: options.shortNames === true ? zones.first.cut.wire : undefined,
    unknownClients: options.unknownClients ?? 'zone',
    udpSize: limits.udpSize,
    ttl,
  }
  const emitter = new EventEmitter<DnsEvents>()
  const counts = newCounts()
  const failed = (error: Error) => {
    counts.errors++
    emitter.emit('error', error)
  }
  const forwarder = createForwarder({
    routes,
    limits,
    clock,
    loop(error) {
      counts.loops++
      failed(error)
    },
  })
  const queries = createQueryHandler({
    knowledge,
    forwarder,
    counts,
    emitter,
    beforeAnswer: options.beforeAnswer,
  })
  // Queries of the owner are neither counted nor reported.
  const ownQueries = createQueryHandler({
    knowledge,
    forwarder,
    counts: newCounts(),
    emitter: new EventEmitter(),
  })
  const connections = createConnections({ queries, limits, clock, counts })
  for (const { udp, tcp } of listeners) {
    if (udp !== undefined && 'receive' in udp) servePackets(udp, queries, failed)
    else if (udp !== undefined) serveUdp(udp, queries, failed)
    tcp?.on('error', failed)
    tcp?.on('connection', (socket) => connections.accept(socket))
  }

  const reportChanges = (changes: readonly (() => Change)[]) => {
    counts.changes += changes.length
    if (changes.length === 0 || emitter.listenerCount('change') === 0) return
    try {
      emitter.emit(
        'change',
        changes.map((describe) => describe()),
      )
    } catch (error) {
      // The change stands, even if a listener fails.
      failed(error instanceof Error ? error : new Error(String(error)))
    }
  }
  const shutDown = async () => {
    const answered = Promise.all([queries.drain(), ownQueries.drain()])
    connections.finish()
    await Promise.race([answered, pause(clock, limits.drain)])
    forwarder.close()
    await answered
    // A datagram of a socket with a resolver of its own leaves in the next turn of the event loop.
    await nextTurn()
    const closed = listeners.map(closeListener)
    connections.destroy()
    await Promise.all(closed)
  }
  let closing: Promise<void> | undefined
  const close = () => {
    closing ??= shutDown()
    return closing
  }

  return {
    ...editableZones(zones, views, reportChanges),
    async query(name, type = 'A', { as, signal } = {}) {
      signal?.throwIfAborted()
      if (closing !== undefined) throw new DnsError('CLOSED', 'the DNS server is closed')
      const code = typeCode(type)
      if (code === undefined)
        throw new DnsError('INVALID_TYPE', `"${type}" is not a type of record, such as A or TYPE65`)
      const client = as === undefined ? undefined : parseAddress(as).text
      const message = encodeQuery(wireName(name, anyLabel), code, randomInt(0x10000), limits.udpSize)
      const answer = await withSignal(ask(ownQueries, message, client), signal)
      return decodeAnswer(answer, name, typeName(code))
    },
    addresses: listeners.map(({ address, port }) => ({ address, port })),
    get ready() {
      return closing === undefined
    },
    get counters() {
      counts.waiting = forwarder.waiting
      return counts
    },
    knowledge,
    on: (event, listener) => void emitter.on(event, listener as never),
    off: (event, listener) => void emitter.off(event, listener as never),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Names that are asked by hand may hold any printable character. */
const anyLabel = /^[!-~]+$/

/** Asks as a client over TCP would: no answer is too large. */
async function ask(queries: QueryHandler, message: Buffer, client: string | undefined): Promise<Buffer> {
  let answer: Buffer | undefined
  await queries.handle(message, { client, transport: 'tcp' }, (octets, size) => {
    answer = Buffer.from(octets.subarray(0, size))
  })
  if (answer === undefined) throw new DnsError('CLOSED', 'the DNS server is closed')
  return answer
}

async function withSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort)
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, ms))
}

import { randomInt } from 'node:crypto'
import { EventEmitter } from 'eventemitter3'
import { typeNames, typeNumber } from './constants.ts'
import { decodeAnswer, type ReadableRecord } from './decode-answer.ts'
import { DnsError } from './errors.ts'
import { createForwarder } from './forward.ts'
import { type Handler, type Listen, type Listener, listen } from './listeners.ts'
import { type Answer, encodeAnswer, encodeQuery, type Query, udpLimitOf } from './message.ts'
import { hostName, reverseZones } from './name.ts'
import { respond, type Snapshot } from './respond.ts'
import { parseUpstream, systemUpstreams } from './upstreams.ts'
import { clientAddress, ViewData, type Views } from './view.ts'
import { type Zone, ZoneData } from './zone.ts'

export interface DnsServerOptions {
  /** The zones that it is authoritative for; aliases name the first's. */
  zones: readonly string[]
  /** Subnets whose addresses it answers PTR for. */
  reverse?: readonly string[]
  listen?: readonly Listen[]
  /** Who is asked about everything else. @defaultValue `'none'` */
  upstreams?: 'system' | 'none' | readonly string[]
  /** Clients without a view: the zones, or REFUSED. @defaultValue `'zone'` */
  unknownClients?: 'zone' | 'refuse'
  /** @defaultValue `/etc/resolv.conf` */
  resolvConf?: string
  /** Seconds that answers may be remembered. @defaultValue 0 */
  ttl?: number
}

/** An answer to `query()`. */
export interface DnsAnswer {
  name: string
  type: string
  /** `NOERROR`, `NXDOMAIN`, … */
  status: string
  authoritative: boolean
  answers: ReadableRecord[]
}

/** A query that was answered. */
export interface QueryEvent {
  client: string
  name: string
  type: string
  status: string
  transport: 'udp' | 'tcp'
}

export interface Counters {
  queries: number
  answered: number
  forwarded: number
  dropped: number
  failed: number
}

/** Zones and views as one transaction changes them. */
export interface Transaction {
  zone(name: string): Zone
  readonly views: Views
}

/** An authoritative DNS server with a view for each client. */
export interface DnsServer extends AsyncDisposable {
  /** @throws DnsError BAD_ZONE when it is not one of the server's */
  zone(name: string): Zone
  readonly views: Views
  /** Several changes, seen together; when `change` throws, none of them happens. */
  update(change: (tx: Transaction) => void): void
  /** What a client would get, without a socket. @param options.as - its address */
  query(name: string, type: string, options?: { as?: string; signal?: AbortSignal }): Promise<DnsAnswer>
  /** Where it listens. */
  readonly addresses: readonly { address: string; port: number }[]
  readonly counters: Readonly<Counters>
  on(event: 'query', listener: (query: QueryEvent) => void): void
  off(event: 'query', listener: (query: QueryEvent) => void): void
  close(): Promise<void>
}

/**
 * Starts a DNS server.
 *
 * @throws DnsError LISTEN_FAILED, BAD_ZONE, BAD_NAME, BAD_UPSTREAM
 * @example
 * await using dns = await createDnsServer({ zones: ['dev.internal'], listen: [{ address: '127.0.0.1', port: 5353 }] })
 * dns.zone('dev.internal').set('db', ['10.0.0.7'])
 */
export async function createDnsServer(options: DnsServerOptions): Promise<DnsServer> {
  const { upstreams = 'none', ttl = 0, unknownClients = 'zone', resolvConf = '/etc/resolv.conf' } = options
  const reverse = (options.reverse ?? []).flatMap(reverseZones)
  const given = typeof upstreams === 'string' ? undefined : upstreams.map(parseUpstream)
  let zones: readonly ZoneData[] = options.zones.map((name) => new ZoneData(name))
  let views = new ViewData()
  const counters: Counters = { queries: 0, answered: 0, forwarded: 0, dropped: 0, failed: 0 }
  const events = new EventEmitter<{ query: [QueryEvent] }>()
  const listeners: Listener[] = []
  const find = upstreams === 'system' ? systemUpstreams(resolvConf) : () => given ?? []
  // Asking oneself would never end.
  const isOwn = ({ address, port }: { address: string; port: number }) =>
    listeners.some((one) => one.address.address === address && one.address.port === port)
  const forwarder = createForwarder(() => find().filter((upstream) => !isOwn(upstream)))

  const snapshot = (): Snapshot => ({
    zones,
    reverse,
    views,
    ttl,
    unknownClients,
    forwarding: upstreams !== 'none',
  })

  const tell = (query: Query, bytes: Buffer, client: string, transport: 'udp' | 'tcp') => {
    if (events.listenerCount('query') === 0) return
    const { status } = decodeAnswer(bytes)
    const type = typeNames.get(query.type) ?? `TYPE${query.type}`
    events.emit('query', { client, name: query.name, type, status, transport })
  }

  const forward = async (query: Query, message: Buffer, client: string): Promise<Buffer> => {
    counters.forwarded += 1
    const outcome = await forwarder.forward(message, client)
    if (Buffer.isBuffer(outcome)) return outcome
    counters.failed += 1
    const rcode = outcome === 'overload' ? 'REFUSED' : 'SERVFAIL'
    const answer: Answer = {
      rcode,
      authoritative: false,
      recursionAvailable: true,
      answers: [],
      authorities: [],
    }
    return encodeAnswer(query, answer, udpLimitOf(query))
  }

  const handle: Handler = (message, from, transport) => {
    counters.queries += 1
    const client = clientAddress(from)
    const response = respond(message, client, snapshot(), transport)
    if (response.kind === 'drop') {
      counters.dropped += 1
      return undefined
    }
    if (response.kind === 'answer') {
      counters.answered += 1
      if (response.query) tell(response.query, response.bytes, client, transport)
      return response.bytes
    }
    return forward(response.query, message, client).then((bytes) => {
      tell(response.query, bytes, client, transport)
      return bytes
    })
  }

  const zoneOf = (among: readonly ZoneData[], name: string): ZoneData => {
    const wanted = hostName(name)
    const found = among.find((zone) => zone.name === wanted)
    if (found === undefined) throw new DnsError('BAD_ZONE', `this server has no zone "${name}"`)
    return found
  }

  const close = async () => {
    forwarder.close()
    const settled = await Promise.allSettled(listeners.splice(0).map((listener) => listener.close()))
    const failed = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
    if (failed.length > 0) throw new AggregateError(failed, 'some listeners could not be closed')
  }

  try {
    for (const where of options.listen ?? []) listeners.push(await listen(where, handle))
  } catch (error) {
    await close()
    throw error
  }

  return {
    zone: (name) => zoneOf(zones, name),
    get views() {
      return views
    },
    update(change) {
      const nextZones = zones.map((zone) => new ZoneData(zone.name, zone))
      const nextViews = new ViewData(views)
      change({ zone: (name) => zoneOf(nextZones, name), views: nextViews })
      zones = nextZones
      views = nextViews
    },
    async query(name, type, { as = '127.0.0.1', signal } = {}) {
      signal?.throwIfAborted()
      const number = typeNumber(type)
      if (number === undefined) throw new DnsError('BAD_NAME', `"${type}" is not a record type`)
      const message = encodeQuery(randomInt(65_536), hostName(name), number)
      const bytes = (await handle(message, as, 'tcp')) ?? Buffer.alloc(12)
      return { name, type: type.toUpperCase(), ...decodeAnswer(bytes) }
    },
    get addresses() {
      return listeners.map((listener) => listener.address)
    },
    counters,
    on: (event, listener) => void events.on(event, listener),
    off: (event, listener) => void events.off(event, listener),
    close,
    [Symbol.asyncDispose]: close,
  }
}

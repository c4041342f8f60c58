import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { apiVersion, type Status } from '../definition/index.ts'
import { type Engine, positionOf } from '../engine/index.ts'
import { MoorageError } from '../errors/index.ts'
import { framesType } from '../logs/frame.ts'
import type { Pins } from './pinned-leases.ts'
import { type EventsQuery, sendEvents } from './routes/events.ts'
import { keepBodies, parseOnce } from './schemas/body-cache.ts'
import {
  blobDigest,
  blobsRequest,
  evaluateRequest,
  execRequest,
  networkSettings,
  parse,
  resolveRequest,
  startRequest,
  upRequest,
} from './schemas/definition.ts'
import type { Sessions } from './sessions.ts'
import { clientGone } from './streams/client-gone.ts'
import { type EventStream, streamEvents } from './streams/event-stream.ts'
import { streamFrames } from './streams/frame-stream.ts'

/** What the routes need of the daemon that they are a door to. */
export interface RoutesContext {
  readonly engine: Engine
  readonly sessions: Sessions
  readonly pins: Pins
  readonly version: string
  readonly socket: string
  readonly startedAt: number
  /** Counts a request that keeps the daemon from leaving; call what it returns at its end. */
  readonly busy: () => () => void
}

type Query = Record<string, string | undefined>

/** The HTTP API (docs/http.md): a thin door on the engine. */
export function addRoutes(app: FastifyInstance, context: RoutesContext): void {
  const { engine, sessions, pins, version } = context
  keepBodies(app)

  const stream = (reply: FastifyReply, work: Parameters<typeof streamEvents>[2], { frames = false } = {}) => {
    const done = context.busy()
    reply.hijack()
    const send = frames ? streamFrames : streamEvents
    return send(reply.raw, version, work).finally(done)
  }

  app.get('/healthz', async () => ({ ok: true }))
  app.get('/readyz', async () => ({ ok: true }))

  app.post('/v1/session', (_request, reply) =>
    stream(reply, async ({ signal, send }) => {
      const id = sessions.open()
      send({ type: 'session', id })
      await aborted(signal)
      sessions.close(id)
      return undefined
    }),
  )

  app.delete('/v1/session/:id/leases/:lease', async (request) => {
    const { id, lease } = request.params as { id: string; lease: string }
    sessions.release(id, lease)
    return { apiVersion }
  })

  app.post('/v1/evaluate', (request, reply) => {
    const wanted = parseOnce(evaluateRequest, request.body)
    return stream(reply, (events) => engine.evaluate(wanted, callerOf(events)), {
      frames: wantsFrames(request),
    })
  })

  app.post('/v1/services', (request, reply) => {
    const wanted = parseOnce(startRequest, request.body)
    const session = wanted.detach ? undefined : sessions.check(header(request, 'moorage-session'))
    return stream(reply, async (events) => {
      const holder = session === undefined ? 'pin' : `session ${session.slice(0, 8)}`
      const { lease, row, ports } = await engine.start(wanted, holder, callerOf(events))
      const published = wanted.publish === undefined ? {} : { ports: [...ports] }
      const result = { type: 'result', value: row.id, exitCode: 0, service: row, ...published } as const
      if (session !== undefined) return { ...result, lease: sessions.hold(session, lease) }
      pins.hold(`${row.network}/${row.label}`, lease, { lasting: wanted.for, needed: ports.length > 0 })
      return result
    })
  })

  app.post('/v1/up', (request, reply) => {
    const { ports, ...wanted } = parse(upRequest, request.body)
    const session = header(request, 'moorage-session')
    const holder = session === undefined ? 'up' : `session ${session.slice(0, 8)}`
    const declared = (wanted.service.ports ?? []).map(({ port, protocol }) => ({
      host: 0,
      service: port,
      protocol,
    }))
    if ((ports ?? declared).length === 0) throw new MoorageError('NO_PORT', { service: 'to be forwarded' })
    return stream(reply, async (events) => {
      const held = await engine.start({ ...wanted, publish: ports ?? declared }, holder, callerOf(events))
      try {
        const { row } = held
        events.send({ type: 'result', value: row.id, exitCode: 0, service: row, ports: [...held.ports] })
        const lost = await Promise.race([aborted(events.signal), held.lease.lost])
        if (lost !== undefined) throw lost
        return undefined
      } finally {
        held.lease.release()
      }
    })
  })

  app.get('/v1/services', async () => ({ apiVersion, services: engine.services() }))
  app.get('/v1/services/:id', async (request) => {
    const { network } = request.query as Query
    return { apiVersion, service: engine.service(idOf(request), network) }
  })
  app.delete('/v1/services/:id', async (request) => {
    const { kill, network } = request.query as Query
    const { label, network: name } = engine.service(idOf(request), network)
    pins.release(`${name}/${label}`)
    return { apiVersion, service: await engine.stop(label, { kill: kill === '1', network: name }) }
  })
  app.post('/v1/services/:id/restart', async (request) => {
    const { network } = request.query as Query
    return {
      apiVersion,
      service: await engine.restart(idOf(request), network === undefined ? {} : { network }),
    }
  })
  app.post('/v1/services/:id/exec', (request, reply) => {
    const wanted = parse(execRequest, request.body)
    const { network } = request.query as Query
    return stream(reply, (events) => engine.exec(idOf(request), wanted, callerOf(events), network), {
      frames: wantsFrames(request),
    })
  })
  app.get('/v1/services/:id/logs', (request, reply) => {
    const { follow, since, after, network } = request.query as Query
    return stream(
      reply,
      async ({ signal, output }) => {
        const pieces = engine.logs(idOf(request), {
          follow: follow === '1',
          signal,
          ...(since === undefined ? {} : { since: numberOf('since', since) }),
          ...(after === undefined ? {} : { after: positionOf(after) }),
          ...(network === undefined ? {} : { network }),
        })
        for await (const piece of pieces) await output(piece)
        return undefined
      },
      { frames: wantsFrames(request) },
    )
  })

  app.get('/v1/events', (request, reply) =>
    stream(reply, (events) => sendEvents(engine.events, events, request.query as EventsQuery)),
  )
  app.get('/v1/explain', async (request) => {
    const { a, b, network } = request.query as Query
    if (!a || !b) throw new MoorageError('INVALID_REQUEST', { reason: 'explain needs a and b' })
    return { apiVersion, ...engine.explain(a, b, network) }
  })
  app.get('/v1/history/:id', async (request) => {
    const { network } = request.query as Query
    return { apiVersion, events: engine.history(idOf(request), network) }
  })

  app.get('/v1/runs', async () => ({ apiVersion, runs: engine.runs() }))
  app.get('/v1/networks', async () => ({ apiVersion, networks: engine.networks() }))
  app.get('/v1/networks/:name', async (request) => ({ apiVersion, network: engine.network(nameOf(request)) }))
  app.put('/v1/networks/:name', async (request) => {
    const settings = parse(networkSettings, request.body ?? {})
    return { apiVersion, network: await engine.createNetwork(nameOf(request), settings) }
  })
  app.delete('/v1/networks/:name', async (request) => {
    await engine.removeNetwork(nameOf(request))
    return { apiVersion }
  })
  app.get('/v1/status', async () => status(context))

  app.post('/v1/resolve', (request, reply) => {
    const wanted = parseOnce(resolveRequest, request.body)
    return answer(reply, version, (signal) => engine.resolve(wanted, { signal, onEvent: () => undefined }))
  })

  app.get('/v1/dns/zone', async (request) => {
    const { network } = request.query as Query
    return { apiVersion, records: engine.records(network) }
  })
  app.get('/v1/dns/query', (request, reply) => {
    const { name, type = 'A', as, network } = request.query as Query
    if (!name) throw new MoorageError('INVALID_REQUEST', { reason: 'dns/query needs a name' })
    return answer(reply, version, async (signal) => ({
      apiVersion,
      answer: await engine.query(name, type.toUpperCase(), {
        signal,
        ...(as === undefined ? {} : { as }),
        ...(network === undefined ? {} : { network }),
      }),
    }))
  })

  app.post('/v1/blobs/missing', async (request) => ({
    missing: engine.missingDirectories(parse(blobsRequest, request.body).digests),
  }))
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload))
  app.put('/v1/blobs/:digest', { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request) => {
    const { digest } = request.params as { digest: string }
    const done = context.busy()
    try {
      const gone = new AbortController()
      request.raw.on('error', () => gone.abort())
      await engine.receiveDirectory(parse(blobDigest, digest), request.raw, gone.signal)
      return { digest }
    } finally {
      done()
    }
  })
}

function status({ engine, sessions, version, socket, startedAt }: RoutesContext): Status {
  return {
    apiVersion,
    version,
    pid: process.pid,
    startedAt,
    instance: engine.instance,
    socket,
    stateDirectory: engine.stateDirectory,
    runtime: engine.runtime,
    networks: engine.networks(),
    services: engine.services(),
    runs: engine.runs().filter(({ state }) => state === 'running').length,
    sessions: sessions.size,
    problems: engine.problems(),
  }
}

function callerOf({ signal, send, drained, output, data }: EventStream) {
  return { signal, onEvent: send, drained, onOutput: output, onData: data }
}

/** Output as it stands in the log, instead of as JSON. */
function wantsFrames(request: FastifyRequest): boolean {
  return (
    header(request, 'accept')?.includes(framesType) === true || (request.query as Query).format === 'frames'
  )
}

/** A plain answer whose work ends when its caller goes. */
async function answer(reply: FastifyReply, version: string, work: (signal: AbortSignal) => Promise<unknown>) {
  const signal = clientGone(reply.raw)
  reply.header('moorage-version', version)
  return work(signal)
}

function nameOf(request: FastifyRequest): string {
  return (request.params as { name: string }).name
}

function idOf(request: FastifyRequest): string {
  return (request.params as { id: string }).id
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function numberOf(option: string, text: string): number {
  const number = Number(text)
  if (Number.isFinite(number)) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number` })
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

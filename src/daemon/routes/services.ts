import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { aborted } from '../../concurrency/index.ts'
import type { ExecRequest, StartRequest, UpRequest } from '../../definition/index.ts'
import { positionOf } from '../../engine/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { parseOnce } from '../schemas/body-cache.ts'
import { definition } from '../schemas/definition.ts'
import { networkName, portForwards } from '../schemas/networks.ts'
import { type Exact, parse } from '../schemas/parse.ts'
import { argument, milliseconds } from '../schemas/scalars.ts'
import { serviceOptions } from '../schemas/services.ts'
import { readRequest } from '../streams/input.ts'
import { headerOf, numberOf, parameterOf, queryOf } from './request-fields.ts'
import { answerWithStream, callerOf, formatOf, type RouteContext } from './route-context.ts'

const startRequest = z.strictObject({
  definition,
  service: serviceOptions,
  network: networkName,
  detach: z.boolean().exactOptional(),
  for: milliseconds.exactOptional(),
  publish: portForwards,
}) satisfies Exact<StartRequest>

const upRequest = z.strictObject({
  definition,
  service: serviceOptions,
  network: networkName,
  ports: portForwards,
}) satisfies Exact<UpRequest>

const execRequest = z.strictObject({
  args: z.array(argument).min(1),
  stdin: z.string().exactOptional(),
}) satisfies Exact<ExecRequest>

export function addServiceRoutes(app: FastifyInstance, context: RouteContext): void {
  const { engine, sessions, pins } = context

  app.post('/v1/services', (request, reply) => {
    const start = parseOnce(startRequest, request.body)
    const session = start.detach ? undefined : sessions.check(headerOf(request, 'moorage-session'))
    return answerWithStream(context, reply, async (stream) => {
      const holder = session === undefined ? 'pin' : holderOf(session)
      const { lease, row, ports } = await engine.start(start, holder, callerOf(stream))
      const published = start.publish === undefined ? {} : { ports: [...ports] }
      const result = { type: 'result', value: row.id, exitCode: 0, service: row, ...published } as const
      if (session !== undefined) return { ...result, lease: sessions.hold(session, lease) }
      pins.hold(`${row.network}/${row.label}`, lease, { lasting: start.for, needed: ports.length > 0 })
      return result
    })
  })

  app.post('/v1/up', (request, reply) => {
    const { ports, ...start } = parse(upRequest, request.body)
    const session = headerOf(request, 'moorage-session')
    const holder = session === undefined ? 'up' : holderOf(session)
    const declared = (start.service.ports ?? []).map(({ port, protocol }) => ({
      host: 0,
      service: port,
      protocol,
    }))
    const publish = ports ?? declared
    if (publish.length === 0) throw new MoorageError('NO_PORT', { service: 'to be forwarded' })
    return answerWithStream(context, reply, async (stream) => {
      const { row, ports, lease } = await engine.start({ ...start, publish }, holder, callerOf(stream))
      try {
        stream.send({ type: 'result', value: row.id, exitCode: 0, service: row, ports: [...ports] })
        const lost = await Promise.race([aborted(stream.signal), lease.lost])
        if (lost !== undefined) throw lost
        return undefined
      } finally {
        lease.release()
      }
    })
  })

  app.get('/v1/services', async () => ({ services: engine.services() }))
  app.get('/v1/services/:id', async (request) => ({
    service: engine.service(parameterOf(request, 'id'), queryOf(request).network),
  }))
  app.delete('/v1/services/:id', async (request) => {
    const { kill, network } = queryOf(request)
    const { label, network: itsNetwork } = engine.service(parameterOf(request, 'id'), network)
    pins.release(`${itsNetwork}/${label}`)
    return { service: await engine.stop(label, { kill: kill === '1', network: itsNetwork }) }
  })
  app.post('/v1/services/:id/restart', async (request) => {
    const { network } = queryOf(request)
    return { service: await engine.restart(parameterOf(request, 'id'), withoutUndefined({ network })) }
  })
  app.post('/v1/services/:id/exec', async (request, reply) => {
    const { body, input } = await readRequest(request)
    const exec = parse(execRequest, body)
    const { network } = queryOf(request)
    return answerWithStream(
      context,
      reply,
      (stream) => engine.exec(parameterOf(request, 'id'), exec, callerOf(stream, input), network),
      formatOf(request),
    )
  })
  app.get('/v1/services/:id/logs', (request, reply) => {
    const { follow, since, after, network } = queryOf(request)
    return answerWithStream(
      context,
      reply,
      async ({ signal, output }) => {
        const pieces = engine.logs(parameterOf(request, 'id'), {
          follow: follow === '1',
          signal,
          ...withoutUndefined({
            since: since === undefined ? undefined : numberOf('since', since),
            after: after === undefined ? undefined : positionOf(after),
            network,
          }),
        })
        for await (const piece of pieces) await output(piece)
        return undefined
      },
      formatOf(request),
    )
  })
}

/** Returns the holder that `moorage status` shows for a session's leases. */
function holderOf(session: string): string {
  return `session ${session.slice(0, 8)}`
}

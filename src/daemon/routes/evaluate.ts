import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { EvaluateRequest, ResolveRequest } from '../../definition/index.ts'
import { parseOnce } from '../schemas/body-cache.ts'
import { definition } from '../schemas/definition.ts'
import { networkName, portForwards } from '../schemas/networks.ts'
import type { Exact } from '../schemas/parse.ts'
import { portNumber } from '../schemas/scalars.ts'
import { serviceOptions } from '../schemas/services.ts'
import { clientGone } from '../streams/client-gone.ts'
import { readRequest } from '../streams/input.ts'
import { answerWithStream, callerOf, formatOf, type RouteContext } from './route-context.ts'

const evaluateRequest = z.strictObject({
  definition,
  output: z.enum([
    'stdout',
    'stderr',
    'exitCode',
    'sync',
    'size',
    'contents',
    'entries',
    'tar',
    'contentDigest',
  ]),
  network: networkName,
  logs: z.boolean().exactOptional(),
  own: z.boolean().exactOptional(),
  publish: portForwards,
  limit: z.int().min(0).exactOptional(),
}) satisfies Exact<EvaluateRequest>

const resolveRequest = z.strictObject({
  definition,
  service: serviceOptions.exactOptional(),
  network: networkName,
  want: z.enum(['digest', 'hostname', 'endpoint', 'ports']),
  port: portNumber.exactOptional(),
  scheme: z
    .string()
    .regex(/^[a-z][a-z0-9+.-]*$/)
    .exactOptional(),
  from: z.enum(['container', 'host']).exactOptional(),
}) satisfies Exact<ResolveRequest>

/** Routes that take a definition and tell what it gives, or how it is called. */
export function addEvaluateRoutes(app: FastifyInstance, context: RouteContext): void {
  const { engine } = context

  app.post('/v1/evaluate', async (request, reply) => {
    const { body, input } = await readRequest(request)
    const evaluation = parseOnce(evaluateRequest, body)
    return answerWithStream(
      context,
      reply,
      (stream) => engine.evaluate(evaluation, callerOf(stream, input)),
      formatOf(request),
    )
  })
  app.post('/v1/resolve', async (request, reply) => {
    const question = parseOnce(resolveRequest, request.body)
    return engine.resolve(question, { signal: clientGone(reply.raw), onEvent: () => undefined })
  })
}

import type { FastifyInstance } from 'fastify'
import { encodeDocument, errorAnswer } from './json-answer.ts'
import { addBlobRoutes } from './routes/blobs.ts'
import { addDnsRoutes } from './routes/dns.ts'
import { addEvaluateRoutes } from './routes/evaluate.ts'
import { addEventRoutes } from './routes/events.ts'
import { addNetworkRoutes } from './routes/networks.ts'
import type { RouteContext } from './routes/route-context.ts'
import { addServiceRoutes } from './routes/services.ts'
import { addSessionRoutes } from './routes/sessions.ts'
import { addStatusRoutes } from './routes/status.ts'
import { keepBodies } from './schemas/body-cache.ts'
import { acceptInputs } from './streams/input.ts'
import { notFoundHandler } from './unrouted.ts'

/** Adds the HTTP API (docs/http.md) to a server: a thin layer over the engine. @param onFault - is told of our own faults */
export function addHttpApi(
  app: FastifyInstance,
  context: RouteContext,
  onFault: (error: unknown) => void,
): void {
  const { version } = context
  app.addHook('onSend', async (_request, reply) => {
    reply.header('moorage-version', version)
  })
  app.setReplySerializer(encodeDocument)
  app.setErrorHandler((thrown, _request, reply) => {
    const { status, document } = errorAnswer(thrown)
    if (document.error.code === 'INTERNAL') onFault(thrown)
    return reply.code(status).send(document)
  })
  app.setNotFoundHandler(notFoundHandler(version))
  keepBodies(app)
  acceptInputs(app)
  addSessionRoutes(app, context)
  addEvaluateRoutes(app, context)
  addServiceRoutes(app, context)
  addNetworkRoutes(app, context)
  addDnsRoutes(app, context)
  addBlobRoutes(app, context)
  addEventRoutes(app, context)
  addStatusRoutes(app, context)
}

import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { parse } from '../schemas/parse.ts'
import { digest } from '../schemas/scalars.ts'
import { clientGone } from '../streams/client-gone.ts'
import { parameterOf } from './request-fields.ts'
import type { RouteContext } from './route-context.ts'

const missingRequest = z.strictObject({ digests: z.array(digest).max(10_000) })

/** Routes by which a client uploads directories of its own host. */
export function addBlobRoutes(app: FastifyInstance, { engine, beginRequest }: RouteContext): void {
  app.post('/v1/blobs/missing', async (request) => ({
    missing: engine.missingDirectories(parse(missingRequest, request.body).digests),
  }))
  app.addContentTypeParser('application/x-tar', (_request, payload, done) => done(null, payload))
  app.put('/v1/blobs/:digest', { bodyLimit: Number.MAX_SAFE_INTEGER }, async (request, reply) => {
    // Not the errors of the request's stream: it also breaks when tar stops reading behind the end of the archive.
    const signal = clientGone(reply.raw)
    const blob = parse(digest, parameterOf(request, 'digest'))
    const end = beginRequest()
    try {
      await engine.receiveDirectory(blob, request.raw, signal)
      return { digest: blob }
    } finally {
      end()
    }
  })
}

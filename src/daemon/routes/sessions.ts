import type { FastifyInstance } from 'fastify'
import { aborted } from '../../concurrency/index.ts'
import { parameterOf } from './request-fields.ts'
import { answerWithStream, type RouteContext } from './route-context.ts'

export function addSessionRoutes(app: FastifyInstance, context: RouteContext): void {
  const { sessions } = context

  app.post('/v1/session', (_request, reply) =>
    answerWithStream(context, reply, async ({ signal, send }) => {
      const id = sessions.open()
      send({ type: 'session', id })
      await aborted(signal)
      sessions.close(id)
      return undefined
    }),
  )
  app.delete('/v1/session/:id/leases/:lease', async (request) => {
    sessions.release(parameterOf(request, 'id'), parameterOf(request, 'lease'))
    return {}
  })
}

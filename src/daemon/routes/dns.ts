import type { FastifyInstance } from 'fastify'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { clientGone } from '../streams/client-gone.ts'
import { queryOf } from './request-fields.ts'
import type { RouteContext } from './route-context.ts'

export function addDnsRoutes(app: FastifyInstance, { engine }: RouteContext): void {
  app.get('/v1/dns/zone', async (request) => ({ records: engine.records(queryOf(request).network) }))
  app.get('/v1/dns/query', async (request, reply) => {
    const signal = clientGone(reply.raw)
    const { name, type = 'A', as, network } = queryOf(request)
    if (!name) throw new MoorageError('INVALID_REQUEST', { reason: 'dns/query needs a name' })
    const options = { signal, ...withoutUndefined({ as, network }) }
    return { answer: await engine.query(name, type.toUpperCase(), options) }
  })
}

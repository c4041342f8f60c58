import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import type { NetworkSettings } from '../../definition/index.ts'
import { type Exact, parse } from '../schemas/parse.ts'
import { parameterOf } from './request-fields.ts'
import type { RouteContext } from './route-context.ts'

const networkSettings = z.strictObject({
  subnet: z.string().max(50).exactOptional(),
  ipv6: z.union([z.boolean(), z.string().max(50)]).exactOptional(),
  isolation: z.enum(['network', 'bindings']).exactOptional(),
}) satisfies Exact<NetworkSettings>

export function addNetworkRoutes(app: FastifyInstance, { engine }: RouteContext): void {
  app.get('/v1/networks', async () => ({ networks: engine.networks() }))
  app.get('/v1/networks/:name', async (request) => ({
    network: engine.network(parameterOf(request, 'name')),
  }))
  app.put('/v1/networks/:name', async (request) => {
    const settings = parse(networkSettings, request.body ?? {})
    return { network: await engine.createNetwork(parameterOf(request, 'name'), settings) }
  })
  app.delete('/v1/networks/:name', async (request) => {
    await engine.removeNetwork(parameterOf(request, 'name'))
    return {}
  })
}

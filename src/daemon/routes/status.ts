import type { FastifyInstance } from 'fastify'
import type { Status } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { parameterOf, queryOf } from './request-fields.ts'
import type { RouteContext } from './route-context.ts'

/** Routes that tell what goes on in the daemon, or went on. */
export function addStatusRoutes(app: FastifyInstance, context: RouteContext): void {
  const { engine } = context

  app.get('/healthz', async () => ({ ok: true }))
  app.get('/readyz', async () => ({ ok: true }))
  app.get('/v1/status', async () => statusOf(context))
  app.get('/v1/runs', async () => ({ runs: engine.runs() }))
  app.get('/v1/history/:id', async (request) => ({
    events: engine.history(parameterOf(request, 'id'), queryOf(request).network),
  }))
  app.get('/v1/explain', async (request) => {
    const { a, b, network } = queryOf(request)
    if (!a || !b) throw new MoorageError('INVALID_REQUEST', { reason: 'explain needs a and b' })
    return engine.explain(a, b, network)
  })
}

function statusOf(context: RouteContext): Omit<Status, 'apiVersion'> {
  const { engine, sessions, version, socket, startedAt } = context
  return {
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

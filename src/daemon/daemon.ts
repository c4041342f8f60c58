import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import fastify from 'fastify'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { createEngine } from '../engine/index.ts'
import { asMoorageError, MoorageError } from '../errors/index.ts'
import { packageVersion } from '../package.ts'
import { watchIdleness } from './idle-exit.ts'
import { Pins } from './pinned-leases.ts'
import { addRoutes } from './routes.ts'
import { Sessions } from './sessions.ts'
import { prepareSocket, restrictSocket } from './socket.ts'

export interface DaemonOptions {
  /** `unix:///path`; by default `moorage.sock` in the run-time directory. */
  listen?: string
  /** @defaultValue `MOORAGE_STATE_DIR`, else `/var/lib/moorage` */
  stateDirectory?: string
  /** @defaultValue `MOORAGE_RUNTIME_DIR`, else `/run/moorage` */
  runtimeDirectory?: string
  runtime?: 'oci'
  /** Of the network `default`; a free one is chosen otherwise. */
  subnet?: string
  /** Grace of services that do not say, in milliseconds. */
  grace?: number
  /** Leave when nothing went on for so long, in milliseconds. */
  idleExit?: number
  /** How many commands run at the same time. */
  maxRuns?: number
  /** Who reaches a service: all of its network, or who is bound. @defaultValue `network` */
  isolation?: 'network' | 'bindings'
  /** IPv6 beside IPv4. */
  ipv6?: boolean
  /** How many bytes of a run's output are kept. @defaultValue 64 MiB */
  logLimit?: number
  logLevel?: string
}

export interface Daemon {
  /** Path of the socket that it listens on. */
  readonly socket: string
  /** Resolves when it has stopped and freed everything. */
  readonly stopped: Promise<void>
  /** Stops everything in order. The second call does nothing but wait for the first. */
  stop(reason: string): Promise<void>
}

/** How many may connect in the moment in which nobody is let in; further ones are refused (EAGAIN). Linux's own bound. */
const backlog = 4_096

/** The most that the JSON of a request may take; directories come as streams, without a limit. */
const bodyLimit = 64 * 1024 * 1024

/**
 * Runs a daemon in this process; resolves when it listens.
 *
 * @throws MoorageError what `createEngine` throws, and INVALID_OPTION for `listen`
 */
export async function runDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const { env } = process
  const stateDirectory = options.stateDirectory ?? env.MOORAGE_STATE_DIR ?? '/var/lib/moorage'
  const runtimeDirectory = options.runtimeDirectory ?? env.MOORAGE_RUNTIME_DIR ?? '/run/moorage'
  const logger = makeLogger(options.logLevel ?? env.MOORAGE_LOG_LEVEL ?? 'info')
  const startedAt = Date.now()
  const engine = await createEngine({
    stateDirectory,
    runDirectory: runtimeDirectory,
    timeoutScale: timeoutScale(env.MOORAGE_TIMEOUT_SCALE),
    servicesDns: env.MOORAGE_SERVICES_DNS !== '0',
    log: (level, message, fields = {}) => logger[level](fields, message),
    ...(options.subnet === undefined ? {} : { subnet: options.subnet }),
    ...(options.ipv6 === undefined ? {} : { ipv6: options.ipv6 }),
    ...(options.isolation === undefined ? {} : { isolation: options.isolation }),
    ...(options.grace === undefined ? {} : { grace: options.grace }),
    ...(options.maxRuns === undefined ? {} : { maxRuns: options.maxRuns }),
    ...(options.logLimit === undefined ? {} : { logLimit: options.logLimit }),
  })
  if (engine.recovered.length > 0)
    logger.warn({ removed: engine.recovered }, 'removed what an earlier daemon left')

  const sessions = new Sessions()
  const pins = new Pins()
  let requests = 0
  const app = fastify({ bodyLimit, requestTimeout: 0, keepAliveTimeout: 30_000, forceCloseConnections: true })
  app.setErrorHandler((thrown, _request, reply) => {
    const error = requestError(thrown)
    if (error.code === 'INTERNAL') logger.error({ err: thrown }, 'a request failed')
    return reply.code(error.status).header('moorage-version', packageVersion).send({ error: error.toJSON() })
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('moorage-version', packageVersion)
  })

  try {
    const socket = await prepareSocket(options.listen ?? `unix://${join(runtimeDirectory, 'moorage.sock')}`)
    addRoutes(app, {
      engine,
      sessions,
      pins,
      version: packageVersion,
      socket,
      startedAt,
      busy() {
        requests += 1
        return () => {
          requests -= 1
        }
      },
    })
    // Nobody may connect between listen and chmod.
    const umask = process.umask(0o177)
    try {
      await app.listen({ path: socket, backlog })
    } finally {
      process.umask(umask)
    }
    restrictSocket(socket)
    logger.info(
      { socket, stateDirectory, instance: engine.instance, version: packageVersion },
      'the daemon listens',
    )

    const ended = Promise.withResolvers<void>()
    let stopping: Promise<void> | undefined
    const stop = (reason: string): Promise<void> => {
      stopping ??= (async () => {
        logger.info({ reason }, 'the daemon stops')
        idle?.[Symbol.dispose]()
        // The name goes first, so that whoever connects from now on starts a new daemon instead of meeting this one.
        remove(socket)
        await engine.close()
        await app.close()
        logger.info('the daemon has stopped')
      })()
      stopping.then(ended.resolve, ended.reject)
      return stopping
    }
    const idle =
      options.idleExit === undefined
        ? undefined
        : watchIdleness(
            options.idleExit,
            () => requests > 0 || sessions.size > 0 || engine.busy() > 0,
            () => void stop('nothing is going on').catch(() => undefined),
          )
    return { socket, stopped: ended.promise, stop }
  } catch (error) {
    await app.close()
    await engine.close()
    throw error
  }
}

function makeLogger(level: string): Logger {
  // Synchronous: what is written last before a crash is what one wants to read.
  const standardError: DestinationStream = destination({ fd: 2, sync: true })
  return pino({ level, base: { pid: process.pid } }, standardError)
}

function timeoutScale(text: string | undefined): number {
  const scale = Number(text ?? 1)
  if (scale > 0 && Number.isFinite(scale)) return scale
  throw new MoorageError('INVALID_OPTION', {
    option: `MOORAGE_TIMEOUT_SCALE=${text}`,
    reason: 'not a number above 0',
  })
}

/** Fastify's own refusals (malformed JSON, too large a body) in our words. */
function requestError(thrown: unknown): MoorageError {
  const { statusCode, message } = thrown as { statusCode?: number; message?: string }
  if (!(thrown instanceof MoorageError) && statusCode !== undefined && statusCode < 500) {
    return new MoorageError('INVALID_REQUEST', { reason: message ?? 'not understood' }, { cause: thrown })
  }
  return asMoorageError(thrown)
}

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

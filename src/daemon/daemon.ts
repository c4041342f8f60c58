import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import fastify from 'fastify'
import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { createEngine } from '../engine/index.ts'
import { MoorageError } from '../errors/index.ts'
import { packageVersion } from '../package.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { addHttpApi } from './http-api.ts'
import { watchIdleness } from './idle-exit.ts'
import { PinnedLeases } from './pinned-leases.ts'
import { Sessions } from './sessions.ts'
import { prepareSocket, restrictSocket } from './socket.ts'
import { unroutedOptions } from './unrouted.ts'

export interface DaemonOptions {
  /** `unix:///path`; by default `moorage.sock` in the run-time directory. */
  listen?: string
  /** @defaultValue `MOORAGE_STATE_DIR`, else `/var/lib/moorage` */
  stateDirectory?: string
  /** @defaultValue `MOORAGE_RUNTIME_DIR`, else `/run/moorage` */
  runtimeDirectory?: string
  runtime?: 'oci'
  /** Subnet of the network `default`. @defaultValue a free one */
  subnet?: string
  /** Grace of services that set none, in milliseconds. */
  grace?: number
  /** The daemon leaves when nothing went on for this long, in milliseconds. @defaultValue never */
  idleExit?: number
  /** The number of commands that run at the same time. */
  maxRuns?: number
  /** The clients that reach a service: all of its network, or only those bound to it. @defaultValue `network` */
  isolation?: 'network' | 'bindings'
  /** IPv6 beside IPv4. */
  ipv6?: boolean
  /** Bytes of a run's output that are kept. @defaultValue 64 MiB */
  logLimit?: number
  logLevel?: string
}

export interface Daemon {
  /** Path of the socket that it listens on. */
  readonly socket: string
  /** Resolves when it has stopped and freed everything. */
  readonly stopped: Promise<void>
  /** Stops everything in order. A second call only waits for the first. */
  stop(reason: string): Promise<void>
}

/** Connections that may wait to be accepted; the kernel refuses further ones (EAGAIN). This is Linux's own bound. */
const backlog = 4_096

/** Bytes of the longest JSON body; directories come as streams, without a limit. */
const bodyLimit = 64 * 1024 * 1024

/**
 * Runs a daemon in this process; resolves when it listens.
 *
 * @throws MoorageError the errors of `createEngine`, and INVALID_OPTION for `listen`
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
    ...withoutUndefined({
      subnet: options.subnet,
      ipv6: options.ipv6,
      isolation: options.isolation,
      grace: options.grace,
      maxRuns: options.maxRuns,
      logLimit: options.logLimit,
    }),
  })
  if (engine.recovered.length > 0)
    logger.warn({ removed: engine.recovered }, 'removed what an earlier daemon left')

  const sessions = new Sessions()
  const pins = new PinnedLeases()
  let requests = 0
  const app = fastify({
    ...unroutedOptions(packageVersion),
    bodyLimit,
    requestTimeout: 0,
    keepAliveTimeout: 30_000,
    forceCloseConnections: true,
  })

  try {
    const socket = await prepareSocket(options.listen ?? `unix://${join(runtimeDirectory, 'moorage.sock')}`)
    addHttpApi(
      app,
      {
        engine,
        sessions,
        pins,
        version: packageVersion,
        socket,
        startedAt,
        beginRequest() {
          requests += 1
          return () => {
            requests -= 1
          }
        },
      },
      (error) => logger.error({ err: error }, 'a request failed'),
    )
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
        // The name goes first, so that a client that connects from now on starts a new daemon instead of meeting this one.
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
  // Synchronous, since the last line before a crash is the one that matters.
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

function remove(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

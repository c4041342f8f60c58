import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import type { StreamEvent } from '../definition/index.ts'
import { errorFromWire, MoorageError, type WireError } from '../errors.ts'

export interface Asking {
  method?: string
  query?: Record<string, string | undefined>
  body?: unknown
}

/** The daemon's HTTP API as the commands use it. */
export interface DaemonDoor {
  /** As `unix:///path`. */
  readonly host: string
  /** A plain answer. */
  ask<Answer>(path: string, asking?: Asking): Promise<Answer>
  /** A stream of events, without its heartbeats; its `error` event is thrown. */
  follow(path: string, asking?: Asking): AsyncIterable<StreamEvent>
}

/** Where the daemon is; `host` is the flag's or the environment's. */
export function socketOf(host: string | undefined): string {
  if (host === undefined) return join(process.env.MOORAGE_RUNTIME_DIR ?? '/run/moorage', 'moorage.sock')
  const path = host.replace(/^unix:\/\//, '')
  if (path.startsWith('/')) return path
  throw new MoorageError('INVALID_OPTION', {
    option: `--host ${host}`,
    reason: 'only unix:///path is in this version',
  })
}

export function daemonDoor({ host }: { host?: string }): DaemonDoor {
  const socketPath = socketOf(host)
  const agent = new Agent({ keepAlive: true })

  const send = (path: string, { method = 'GET', query = {}, body }: Asking): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const url = new URL(`http://moorage/v1/${path}`)
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined) url.searchParams.set(name, value)
      }
      const sent = httpRequest({
        agent,
        socketPath,
        method,
        path: `${url.pathname}${url.search}`,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
      })
      sent.once('response', resolve)
      sent.once('error', (error: NodeJS.ErrnoException) => {
        reject(unreachable(socketPath, error))
      })
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })

  const refuse = async (answer: IncomingMessage): Promise<never> => {
    const text = await textOf(answer)
    let wire: WireError | undefined
    try {
      wire = (JSON.parse(text) as { error?: WireError }).error
    } catch {
      // Not one of ours; it is told as it came.
    }
    if (wire?.code !== undefined) throw errorFromWire(wire)
    throw new MoorageError('INTERNAL', {
      reason: `the daemon answered ${answer.statusCode}: ${text.slice(0, 200)}`,
    })
  }

  return {
    host: `unix://${socketPath}`,
    async ask<Answer>(path: string, asking: Asking = {}) {
      const answer = await send(path, asking)
      if ((answer.statusCode ?? 500) >= 400) return refuse(answer)
      return JSON.parse(await textOf(answer)) as Answer
    },
    async *follow(path, asking = {}) {
      const answer = await send(path, asking)
      if ((answer.statusCode ?? 500) >= 400) await refuse(answer)
      try {
        for await (const line of linesOf(answer)) {
          const event = JSON.parse(line) as StreamEvent
          if (event.type === 'error') throw errorFromWire(event.error)
          if (event.type !== 'heartbeat') yield event
        }
      } catch (error) {
        throw isReset(error) ? unreachable(socketPath, error) : error
      } finally {
        answer.destroy()
      }
    },
  }
}

/** Does some work with a daemon, which is started where there is none. */
export async function withDaemon<Result>(
  global: { host?: string; network?: string },
  work: (daemon: DaemonDoor) => Promise<Result>,
): Promise<Result> {
  return work(daemonDoor(global))
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such socket',
  ECONNREFUSED: 'nobody listens on that socket',
  EACCES: 'it is for root and the group moorage',
  ECONNRESET: 'it went away',
}

function unreachable(path: string, cause: NodeJS.ErrnoException): MoorageError {
  const reason = reasons[cause.code ?? ''] ?? cause.message
  return new MoorageError('DAEMON_UNREACHABLE', { host: `unix://${path}`, reason }, { cause })
}

function isReset(error: unknown): error is NodeJS.ErrnoException {
  return (error as NodeJS.ErrnoException | null)?.code === 'ECONNRESET'
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string> {
  let rest = ''
  for await (const piece of answer.setEncoding('utf8')) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  for await (const piece of answer) pieces.push(piece as Buffer)
  return Buffer.concat(pieces).toString()
}

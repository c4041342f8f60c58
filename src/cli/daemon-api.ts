import { connect, createTransport, hostOf, type OutputStreamEvent, type Transport } from '../client/index.ts'
import type { StreamEvent } from '../definition/index.ts'
import { errorFromWire } from '../errors/index.ts'
import type { GlobalOptions } from './command-action.ts'

export interface Asking {
  method?: string
  query?: Record<string, string | undefined>
  body?: unknown
}

/** The daemon's HTTP API as the commands use it. */
export interface DaemonDoor {
  readonly host: string
  /** A plain answer. */
  ask<Answer>(path: string, asking?: Asking): Promise<Answer>
  /** A stream of events, without its heartbeats; its `error` event is thrown. */
  follow(path: string, asking?: Asking): AsyncIterable<StreamEvent>
  /** The same, with output as bytes. */
  output(path: string, asking?: Asking): AsyncIterable<OutputStreamEvent>
}

/** A daemon that is expected to run: none is started. */
export function daemonDoor({ host }: GlobalOptions): DaemonDoor {
  return doorOf(createTransport(hostOf(host === undefined ? {} : { host })))
}

/**
 * Does some work with a daemon, which is started where there is none. The session that is open meanwhile keeps it from
 * leaving before the work is asked for.
 */
export async function withDaemon<Result>(
  { host, network }: GlobalOptions,
  work: (daemon: DaemonDoor) => Promise<Result>,
): Promise<Result> {
  await using _session = await connect({
    ...(host === undefined ? {} : { host }),
    ...(network === undefined ? {} : { network }),
  })
  return await work(daemonDoor(host === undefined ? {} : { host }))
}

function doorOf(transport: Transport): DaemonDoor {
  return {
    host: transport.host,
    ask: (path, { method = 'GET', query = {}, body } = {}) =>
      transport.call(method, target(path, query), body),
    follow: (path, { method = 'GET', query = {}, body } = {}) =>
      told(transport.stream(method, target(path, query), body)),
    output: (path, { method = 'GET', query = {}, body } = {}) =>
      told(transport.output(method, target(path, query), body)),
  }
}

async function* told<Event extends StreamEvent | OutputStreamEvent>(
  events: AsyncIterable<Event>,
): AsyncGenerator<Event> {
  for await (const event of events) {
    if (event.type === 'error') throw errorFromWire(event.error)
    if (event.type !== 'heartbeat') yield event
  }
}

function target(path: string, query: NonNullable<Asking['query']>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const parameters = new URLSearchParams(given).toString()
  return `/v1/${path}${parameters === '' ? '' : `?${parameters}`}`
}

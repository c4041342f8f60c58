import {
  apiPath,
  connect,
  createTransport,
  eventsOf,
  hostOf,
  type OutputStreamEvent,
  type Transport,
} from '../client/index.ts'
import type { StreamEvent } from '../definition/index.ts'
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
      transport.call(method, apiPath(path, query), body),
    follow: (path, { method = 'GET', query = {}, body } = {}) =>
      eventsOf(transport.stream(method, apiPath(path, query), body)),
    output: (path, { method = 'GET', query = {}, body } = {}) =>
      eventsOf(transport.output(method, apiPath(path, query), body)),
  }
}

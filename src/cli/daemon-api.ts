import type { Readable } from 'node:stream'
import {
  apiPath,
  connect,
  createTransport,
  eventsOf,
  hostOf,
  type OutputStreamEvent,
} from '../client/index.ts'
import type { StreamEvent } from '../definition/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import type { GlobalOptions } from './global-options.ts'

interface ApiRequest {
  /** @defaultValue GET */
  method?: string
  query?: Record<string, string | undefined>
  body?: unknown
}

interface OutputRequest extends ApiRequest {
  /** The standard input of the command that is asked for. */
  input?: Readable | undefined
}

/** The daemon's HTTP API as the commands use it; paths are below `/v1/`. */
export interface DaemonApi {
  readonly host: string
  /** Asks for an answer of one document. */
  ask<Answer>(path: string, request?: ApiRequest): Promise<Answer>
  /** Opens a stream of events, without its heartbeats; its `error` event is thrown. */
  follow(path: string, request?: ApiRequest): AsyncIterable<StreamEvent>
  /** Opens such a stream with output as bytes. */
  output(path: string, request?: OutputRequest): AsyncIterable<OutputStreamEvent>
}

/** Returns the API of the daemon; starts none. */
export function daemonApi({ host }: GlobalOptions): DaemonApi {
  const transport = createTransport(hostOf(withoutUndefined({ host })))
  return {
    host: transport.host,
    ask: (path, { method = 'GET', query = {}, body } = {}) =>
      transport.call(method, apiPath(path, query), body),
    follow: (path, { method = 'GET', query = {}, body } = {}) =>
      eventsOf(transport.stream(method, apiPath(path, query), body)),
    output: (path, { method = 'GET', query = {}, body, input } = {}) =>
      eventsOf(transport.output(method, apiPath(path, query), body, { input })),
  }
}

/**
 * Works with the daemon; starts one if none answers. The session that is open meanwhile keeps the daemon from leaving
 * before the work begins.
 */
export async function withDaemon<Result>(
  { host, network }: GlobalOptions,
  work: (daemon: DaemonApi) => Promise<Result>,
): Promise<Result> {
  await using _session = await connect(withoutUndefined({ host, network }))
  return await work(daemonApi(withoutUndefined({ host })))
}

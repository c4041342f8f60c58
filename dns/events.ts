import type { EventEmitter } from 'eventemitter3'
import type { Asker } from './answering/respond.ts'
import { decodeQuery, headerSize, newQuery } from './wire/decode-query.ts'
import { textName } from './wire/name.ts'
import { rcodeName, typeName } from './wire/rcodes.ts'
import type { Change } from './zones/change.ts'

/** One query that was answered. */
export interface QueryEvent {
  /** The client's address. */
  readonly client: string
  readonly transport: 'udp' | 'tcp'
  /** As the client spelled it; empty if the query had no readable question. */
  readonly name: string
  readonly type: string
  /** `NOERROR`, `NXDOMAIN`, … */
  readonly status: string
  /** How many records the answer had. */
  readonly answers: number
  /** Who knew the answer; `refusal` is nobody. */
  readonly source: 'view' | 'zone' | 'local' | 'refusal' | 'upstream'
  /** The upstream that answered, as `address port`. */
  readonly upstream?: string
}

/** Events of the server, with what their listeners get. */
export interface DnsEvents {
  query: (query: QueryEvent) => void
  /** Zones or views were changed; what an `update()` changed comes together. The next query sees it. */
  change: (changes: readonly Change[]) => void
  /** A socket failed, or the server met a fault of its own; it goes on. */
  error: (error: Error) => void
}

export type DnsEmitter = EventEmitter<DnsEvents>

const query = newQuery()

/** Describes an answer for listeners. Nobody calls it while there are none. */
export function describe(
  message: Buffer,
  { client = '', transport }: Asker,
  answer: Buffer,
  source: QueryEvent['source'],
  upstream?: string,
): QueryEvent {
  decodeQuery(message, message.length, query)
  const readable = query.questionEnd > headerSize
  return {
    client,
    transport,
    name: readable ? textName(message, headerSize) : '',
    type: readable ? typeName(query.type) : '',
    status: rcodeName(answer.readUInt16BE(2) & 0xf),
    answers: answer.readUInt16BE(6),
    source,
    ...(upstream === undefined ? {} : { upstream }),
  }
}

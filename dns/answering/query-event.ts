import type { QueryEvent } from '../events.ts'
import { headerSize, type Query } from '../wire/decode-query.ts'
import { textName } from '../wire/name.ts'
import { rcodeName } from '../wire/rcodes.ts'
import { typeName } from '../wire/record-types.ts'
import type { Asker } from './asker.ts'

/** Describes a query and its reply for listeners. Nobody calls it while there are none. */
export function queryEvent(
  message: Buffer,
  query: Query,
  { client = '', transport }: Asker,
  reply: Buffer,
  source: QueryEvent['source'],
  upstream?: string,
): QueryEvent {
  const readable = query.questionEnd > headerSize
  return {
    client,
    transport,
    name: readable ? textName(message, headerSize) : '',
    type: readable ? typeName(query.type) : '',
    status: rcodeName(reply.readUInt16BE(2) & 0xf),
    answers: reply.readUInt16BE(6),
    source,
    ...(upstream === undefined ? {} : { upstream }),
  }
}

import { flag, headerSize } from './decode-query.ts'
import { recordTypes } from './record-types.ts'

/**
 * Writes a query as a good client sends it: with the wish for recursion, and an OPT record.
 * @param name in wire form
 */
export function encodeQuery(name: Buffer, type: number, id: number, udpSize: number): Buffer {
  const message = Buffer.alloc(headerSize + name.length + 4 + 11)
  message.writeUInt16BE(id, 0)
  message.writeUInt16BE(flag.RD, 2)
  message.writeUInt16BE(1, 4)
  message.writeUInt16BE(1, 10)
  let at = headerSize + name.copy(message, headerSize)
  at = message.writeUInt16BE(type, at)
  at = message.writeUInt16BE(1, at) + 1
  at = message.writeUInt16BE(recordTypes.OPT.code, at)
  message.writeUInt16BE(udpSize, at)
  return message
}

import { Packet } from 'dns2'
import { rcodeNames, typeNames } from './constants.ts'

/** A record as people read it. */
export interface ReadableRecord {
  name: string
  type: string
  ttl: number
  data: string
}

/** An answer as people and programs read it: what `query()` gives. dns2 decodes it; speed does not matter here. */
export interface ReadableAnswer {
  status: string
  authoritative: boolean
  answers: ReadableRecord[]
}

export function decodeAnswer(bytes: Buffer): ReadableAnswer {
  const flags = bytes.readUInt16BE(2)
  const packet = Packet.parse(bytes) as unknown as { answers: Dns2Record[] }
  return {
    status: rcodeNames.get(flags & 15) ?? `RCODE${flags & 15}`,
    authoritative: (flags & 0x0400) !== 0,
    answers: packet.answers.map((record) => ({
      name: record.name,
      type: typeNames.get(record.type) ?? `TYPE${record.type}`,
      ttl: record.ttl,
      data: textOf(record),
    })),
  }
}

/** The fields that dns2 gives records of different types. */
interface Dns2Record {
  name: string
  type: number
  ttl: number
  address?: string
  domain?: string
  ns?: string
  data?: unknown
  primary?: string
  admin?: string
  priority?: number
  weight?: number
  port?: number
  target?: string
  exchange?: string
}

function textOf(record: Dns2Record): string {
  if (record.address !== undefined) return record.address
  if (record.target !== undefined)
    return `${record.priority} ${record.weight} ${record.port} ${record.target}`
  if (record.exchange !== undefined) return `${record.priority} ${record.exchange}`
  if (record.primary !== undefined) return `${record.primary} ${record.admin}`
  const name = record.domain ?? record.ns
  if (name !== undefined) return name
  return Buffer.isBuffer(record.data) ? record.data.toString('hex') : String(record.data ?? '')
}

import type { QueryParts } from './wire.ts'
import { opt, question } from './wire.ts'

/** The expected parts of an answer; all others are not compared. Records are spelled as in a zone file. */
export interface Want {
  /** @defaultValue `answer` */
  what?: 'answer' | 'silence' | 'forward'
  /** All twelve bits, if there is an OPT record. */
  rcode?: string
  aa?: boolean
  tc?: boolean
  rd?: boolean
  ra?: boolean
  ad?: boolean
  cd?: boolean
  z?: boolean
  opcode?: number
  id?: number
  answers?: string[]
  authorities?: string[]
  additionals?: string[]
  /** The OPT record, or `none`. */
  opt?: 'none' | { size?: number; version?: number; flags?: number; reason?: number; options?: number }
  longest?: number
}

export interface Case {
  say: string
  message: Buffer
  as?: string
  transport?: 'udp' | 'tcp'
  want: Want
}

/** One line of the checklist: the server's behaviour, and the cases that show it. */
export interface Line {
  /** The RFC and its section. */
  rfc: string
  does: string
  cases: Case[]
}

export const client = '10.0.0.99'
export const db = 'db.dev.internal'
export const soa = (zone: string) => [`${zone}. 0 SOA`]
export const raw = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex')
export const edns = (parts = {}): QueryParts => ({ rest: [opt(parts)] })
export const option = (code: number, data: Buffer) => {
  const head = Buffer.alloc(4)
  head.writeUInt16BE(code, 0)
  head.writeUInt16BE(data.length, 2)
  return Buffer.concat([head, data])
}
export const withOption = (code: number, data: Buffer) =>
  question(db, 'A', edns({ options: option(code, data) }))
export const record = (name: Buffer, type: number, data = Buffer.alloc(0)) => {
  const head = Buffer.alloc(10)
  head.writeUInt16BE(type, 0)
  head.writeUInt16BE(255, 2)
  head.writeUInt16BE(data.length, 8)
  return Buffer.concat([name, head, data])
}
export const nibbles = (first: string) => `${first}.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`
export const dbAnswer = [`${db}. 0 A 10.0.0.7`]
export const formerr: Want = { rcode: 'FORMERR', answers: [], authorities: [] }

import { type DnsServer, newReply, respond, type Verdict } from '../../dns/index.ts'
import { typeCode } from '../../dns/wire/record-types.ts'

/** The parts of a test's query, each of which may be wrong. */
export interface QueryParts {
  id?: number
  flags?: number
  class?: number
  /** QDCOUNT, in place of 1. */
  questions?: number
  answers?: number
  authorities?: number
  additionals?: number
  /** The octets behind the question; an EDNS query has an `opt()` here. */
  rest?: Buffer[]
}

/** A name in wire form, in its own case. */
export function wire(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '')
  return Buffer.concat([
    ...labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1')),
    Buffer.of(0),
  ])
}

export interface OptParts {
  owner?: Buffer
  size?: number
  version?: number
  flags?: number
  options?: Buffer
}

export function opt({
  owner = Buffer.of(0),
  size = 1232,
  version = 0,
  flags = 0,
  options = Buffer.alloc(0),
}: OptParts = {}): Buffer {
  const record = Buffer.alloc(10)
  record.writeUInt16BE(41, 0)
  record.writeUInt16BE(size, 2)
  record[5] = version
  record.writeUInt16BE(flags, 6)
  record.writeUInt16BE(options.length, 8)
  return Buffer.concat([owner, record, options])
}

export function question(name: string | Buffer, type: string | number = 'A', parts: QueryParts = {}): Buffer {
  const rest = parts.rest ?? []
  const header = Buffer.alloc(12)
  header.writeUInt16BE(parts.id ?? 0x1234, 0)
  header.writeUInt16BE(parts.flags ?? 0x0100, 2)
  header.writeUInt16BE(parts.questions ?? 1, 4)
  header.writeUInt16BE(parts.answers ?? 0, 6)
  header.writeUInt16BE(parts.authorities ?? 0, 8)
  header.writeUInt16BE(parts.additionals ?? rest.length, 10)
  const tail = Buffer.alloc(4)
  tail.writeUInt16BE(typeof type === 'number' ? type : (typeCode(type) ?? 0), 0)
  tail.writeUInt16BE(parts.class ?? 1, 2)
  return Buffer.concat([header, typeof name === 'string' ? wire(name) : name, tail, ...rest])
}

/** Answers a query without a socket; `undefined` is silence. */
export function ask(
  dns: DnsServer,
  message: Buffer,
  asker: { client?: string; transport?: 'udp' | 'tcp' } = {},
): { verdict: Verdict; answer: Buffer | undefined } {
  const reply = newReply()
  const { client, transport = 'udp' } = asker
  const verdict = respond(message, message.length, { client, transport }, dns.knowledge, reply)
  const silent = verdict === 'drop' || verdict === 'forward'
  return { verdict, answer: silent ? undefined : Buffer.from(reply.buffer.subarray(0, reply.length)) }
}

/** The parts of an answer's header. */
export function header(answer: Buffer) {
  const flags = answer.readUInt16BE(2)
  const set = (bit: number) => (flags & bit) !== 0
  return {
    id: answer.readUInt16BE(0),
    qr: set(0x8000),
    opcode: (flags >> 11) & 15,
    aa: set(0x0400),
    tc: set(0x0200),
    rd: set(0x0100),
    ra: set(0x0080),
    z: set(0x0040),
    ad: set(0x0020),
    cd: set(0x0010),
    rcode: flags & 15,
    questions: answer.readUInt16BE(4),
    answers: answer.readUInt16BE(6),
    authorities: answer.readUInt16BE(8),
    additionals: answer.readUInt16BE(10),
  }
}

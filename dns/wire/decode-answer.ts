import { SocketAddress } from 'node:net'
import { DnsError } from '../errors.ts'
import { flag } from './decode-query.ts'
import { precheck } from './precheck.ts'
import { rcodeName, typeName } from './rcodes.ts'

/** One record of an answer; `data` is spelled as in a zone file. */
export interface DnsRecord {
  name: string
  type: string
  /** Seconds. */
  ttl: number
  data: string
}

/** What a client gets. */
export interface DnsAnswer {
  name: string
  type: string
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, … */
  status: string
  /** Whether it comes from a zone or view of this server, not from an upstream. */
  authoritative: boolean
  answers: DnsRecord[]
}

/** What dns2 makes of a record; which fields there are depends on the type. */
type Decoded = Record<string, unknown> & { name: string; type: number; ttl: number }

/**
 * Decodes an answer, with dns2. It is loaded when first needed: a server that only answers never pays for it.
 * @throws DnsError `INVALID_ANSWER`
 */
export async function decodeAnswer(message: Buffer, name: string, type: string): Promise<DnsAnswer> {
  // dns2 follows pointers wherever they lead; one message could keep it busy for seconds.
  precheck(message)
  const { Packet } = await import('dns2')
  const packet = Packet.parse(message)
  const broken = packet.errors.find(({ section }) => section === 'answers' || section === 'questions')
  if (broken !== undefined) {
    throw new DnsError('INVALID_ANSWER', `the answer for ${name} ${type} is malformed: ${broken.message}`, {
      cause: broken,
    })
  }
  const flags = message.readUInt16BE(2)
  return {
    name,
    type,
    status: rcodeName(packet.header.rcode),
    authoritative: (flags & flag.AA) !== 0,
    answers: (packet.answers as unknown as Decoded[]).map((record) => ({
      name: record.name === '' ? '.' : record.name,
      type: typeName(record.type),
      ttl: record.ttl,
      data: dataText(record),
    })),
  }
}

function dataText(record: Decoded): string {
  // What is empty is the name of the root: addresses and numbers never are.
  const fields = (...names: string[]) => names.map((name) => String(record[name]) || '.').join(' ')
  switch (typeName(record.type)) {
    case 'A':
      return fields('address')
    case 'AAAA':
      return new SocketAddress({ address: fields('address'), family: 'ipv6' }).address
    case 'CNAME':
    case 'PTR':
      return fields('domain')
    case 'NS':
      return fields('ns')
    case 'MX':
      return fields('priority', 'exchange')
    case 'SRV':
      return fields('priority', 'weight', 'port', 'target')
    case 'SOA':
      return fields('primary', 'admin', 'serial', 'refresh', 'retry', 'expiration', 'minimum')
    case 'TXT':
      return [record.data]
        .flat()
        .map((text) => JSON.stringify(String(text)))
        .join(' ')
    default:
      return unknownData(record)
  }
}

/** RFC 3597, 5: data of a type that we do not spell. */
function unknownData(record: Decoded): string {
  const { data } = record
  if (Buffer.isBuffer(data)) return `\\# ${data.length} ${data.toString('hex')}`
  const { name: _name, type: _type, ttl: _ttl, class: _class, ...rest } = record
  return JSON.stringify(rest)
}

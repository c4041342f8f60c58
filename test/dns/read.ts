import { createRequire } from 'node:module'
import { Packet } from 'dns2'
import { readRecord } from '../../dns/wire/decode-answer.ts'
import { DataReader } from '../../dns/wire/record-data.ts'
import { typeName } from '../../dns/wire/record-types.ts'
import { header } from './wire.ts'

/** An answer as a parser reads it: its sections, each record as `name ttl TYPE data`. */
export interface Read {
  answers: string[]
  authorities: string[]
  /** Without the OPT record. */
  additionals: string[]
}

/** Reads with our own parser, which is made for answers of upstreams. Throws any error. */
export function readOurs(answer: Buffer): Read {
  const { questions, answers, authorities, additionals } = header(answer)
  const reader = new DataReader(answer, 12)
  for (let left = questions; left > 0; left--) {
    reader.name()
    reader.octets(4)
  }
  const section = (count: number) =>
    Array.from({ length: count }, () => readRecord(reader))
      .filter(({ type }) => type !== 'OPT')
      .map(({ name, type, ttl, data }) => `${name} ${ttl} ${type} ${data}`)
  const read = {
    answers: section(answers),
    authorities: section(authorities),
    additionals: section(additionals),
  }
  if (reader.left > 0) throw new Error(`${reader.left} octets too many`)
  return read
}

/** Reads with dns2. Throws any error. */
export function readDns2(answer: Buffer): Read {
  const packet = Packet.parse(answer)
  if (packet.errors.length > 0) throw packet.errors[0]
  const section = (name: 'answers' | 'authorities' | 'additionals') =>
    (packet[name] as unknown as Fields[])
      .filter(({ type }) => type !== 41)
      .map((record) =>
        line(String(record.name), record.ttl as number, typeName(record.type as number), record),
      )
  return {
    answers: section('answers'),
    authorities: section('authorities'),
    additionals: section('additionals'),
  }
}

type Fields = Record<string, unknown>

/** The package has no types. */
const dnsPacket = createRequire(import.meta.url)('dns-packet') as {
  decode(message: Buffer): Record<'answers' | 'authorities' | 'additionals', Fields[]>
}

/** Reads with dns-packet. Throws any error. */
export function readDnsPacket(answer: Buffer): Read {
  const packet = dnsPacket.decode(answer)
  const section = (name: 'answers' | 'authorities' | 'additionals') =>
    packet[name]
      .filter(({ type }) => type !== 'OPT')
      .map((record) => {
        const { name: owner, ttl, type, data } = record
        const fields =
          typeof data === 'object' && !Array.isArray(data) && !Buffer.isBuffer(data) ? data : { data }
        return line(String(owner), ttl as number, String(type), fields as Fields)
      })
  return {
    answers: section('answers'),
    authorities: section('authorities'),
    additionals: section('additionals'),
  }
}

/** A record as in a zone file. The parsers have different names for the same field. */
function line(owner: string, ttl: number, type: string, fields: Fields): string {
  const some = (...names: string[]) => names.map((name) => fields[name]).find((value) => value !== undefined)
  const name = (...names: string[]) => rooted(String(some(...names)))
  const data = () => {
    switch (type) {
      case 'A':
        return String(some('address', 'data'))
      case 'AAAA':
        return compressed(String(some('address', 'data')))
      case 'CNAME':
      case 'PTR':
      case 'NS':
        return name('domain', 'ns', 'data')
      case 'MX':
        return `${some('priority', 'preference')} ${name('exchange')}`
      case 'SRV':
        return `${fields.priority} ${fields.weight} ${fields.port} ${name('target')}`
      case 'SOA':
        return [
          name('primary', 'mname'),
          name('admin', 'rname'),
          ...[['serial'], ['refresh'], ['retry'], ['expiration', 'expire'], ['minimum']].map((one) =>
            some(...one),
          ),
        ].join(' ')
      case 'TXT':
        return [fields.data].flat().map(quoted).join(' ')
      case 'HINFO':
        return Buffer.isBuffer(fields.data)
          ? strings(fields.data).map(quoted).join(' ')
          : `${quoted(fields.cpu)} ${quoted(fields.os)}`
      default:
        throw new Error(`no test reads ${type}`)
    }
  }
  return `${rooted(owner)} ${ttl} ${type} ${data()}`
}

const rooted = (name: string) => `${name === '.' ? '' : name}.`
const quoted = (text: unknown) => JSON.stringify(String(text))
const compressed = (address: string) => new URL(`http://[${address}]`).hostname.slice(1, -1)

function strings(octets: Buffer): string[] {
  const found: string[] = []
  for (let at = 0; at < octets.length; at += 1 + (octets[at] as number)) {
    found.push(octets.toString('latin1', at + 1, at + 1 + (octets[at] as number)))
  }
  return found
}

/** Reads the output of `dig +noall +comments +answer +authority +additional`. */
export function readDig(text: string): Read & { status: string; flags: string } {
  const section = (name: string) =>
    (new RegExp(`;; ${name} SECTION:\\n([^;]*?)(\\n\\n|$)`).exec(text)?.[1] ?? '')
      .split('\n')
      .filter((row) => row !== '')
      .map((row) => {
        const [owner, ttl, , type, ...data] = row.split(/\s+/)
        return `${owner} ${ttl} ${type} ${data.join(' ')}`
      })
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? '',
    flags: /flags: ([a-z ]*);/.exec(text)?.[1] ?? '',
    answers: section('ANSWER'),
    authorities: section('AUTHORITY'),
    additionals: section('ADDITIONAL'),
  }
}

/** The fields of the OPT record, which is the last record of every answer of ours; `undefined` if there is none. */
export function optOf(answer: Buffer) {
  const { additionals } = header(answer)
  if (additionals === 0) return undefined
  for (let at = 12; at + 11 <= answer.length; at++) {
    const isOpt = answer[at] === 0 && answer.readUInt16BE(at + 1) === 41
    if (!isOpt || at + 11 + answer.readUInt16BE(at + 9) !== answer.length) continue
    const options = answer.subarray(at + 11)
    return {
      size: answer.readUInt16BE(at + 3),
      rcode: answer.readUInt8(at + 5),
      version: answer.readUInt8(at + 6),
      flags: answer.readUInt16BE(at + 7),
      /** The reason of an extended error (RFC 8914). */
      reason: options.length === 6 && options.readUInt16BE(0) === 15 ? options.readUInt16BE(4) : undefined,
      options: options.length,
    }
  }
  return undefined
}

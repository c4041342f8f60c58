import { SocketAddress } from 'node:net'
import { DnsError } from '../errors.ts'
import { parseAddress } from './address.ts'
import { longestLabel, longestName, textName } from './name.ts'

/** Turns a name as a user writes it into wire form: relative names belong to a zone. */
export type ResolveName = (name: string) => Buffer

/** The format of a field of a record's data, or of all of it. `Input` is the type of the value that a user gives. */
export interface DataFormat<Input> {
  /**
   * Checks the input and writes it as octets. Names are written in full: only the types of RFC 1035 may be compressed
   * (RFC 3597, 4), and octets without pointers can be copied into any message.
   * @param field the name of the field, for errors
   * @throws DnsError `INVALID_RECORD`, `INVALID_NAME`, `INVALID_ADDRESS`
   */
  write(input: Input, field: string, resolve: ResolveName): Buffer
  /** Reads the octets and spells them as in a zone file (RFC 1035, 5.1). */
  read(data: DataReader): string
}

/** Enough for any name: it has at most 127 labels, and a compressor points once per name. */
const mostPointers = 16

/** Reads through a message, never past `end`. @throws DnsError `INVALID_ANSWER` */
export class DataReader {
  readonly message: Buffer
  at: number
  end: number

  constructor(message: Buffer, at = 0, end = message.length) {
    this.message = message
    this.at = at
    this.end = end
  }

  get left(): number {
    return this.end - this.at
  }

  /** A number of 1, 2 or 4 octets. */
  number(size: number): number {
    this.octets(size)
    return this.message.readUIntBE(this.at - size, size)
  }

  octets(size: number): Buffer {
    if (size > this.left) throw malformed('its data is cut off')
    this.at += size
    return this.message.subarray(this.at - size, this.at)
  }

  /**
   * The uncompressed octets of a name. Pointers may lead backwards only (RFC 1035, 4.1.4: to a prior occurrence), and
   * few in a row, so that no message can keep the reader busy.
   */
  name(): Buffer {
    const name = Buffer.alloc(longestName)
    let length = 0
    let pointers = 0
    let at = this.at
    let next: number | undefined
    for (;;) {
      // Only the part in front of the first pointer has to lie within the data.
      if (at >= (next === undefined ? this.end : this.message.length)) throw malformed('a name is cut off')
      const label = this.message[at] as number
      if (label === 0) break
      if (label >= 0xc0) {
        if (at + 2 > this.message.length) throw malformed('a pointer is cut off')
        const target = this.message.readUInt16BE(at) & 0x3fff
        if (target >= at || ++pointers > mostPointers) throw malformed('a pointer leads nowhere')
        next ??= at + 2
        at = target
        continue
      }
      if (label > longestLabel || length + label + 2 > longestName) throw malformed('a name is too long')
      length += this.message.copy(name, length, at, at + label + 1)
      at += label + 1
    }
    this.at = next ?? at + 1
    if (this.at > this.end) throw malformed('a name is longer than its record')
    return name.subarray(0, length + 1)
  }
}

export function malformed(reason: string): DnsError {
  return new DnsError('INVALID_ANSWER', `the answer is malformed: ${reason}`)
}

/** An address of 4 octets (RFC 1035, 3.4.1), or of 16 (RFC 3596, 2.2). */
export function address(size: 4 | 16): DataFormat<string> {
  return {
    write(input) {
      const { octets, text } = parseAddress(input)
      if (octets.length === size) return octets
      throw new DnsError('INVALID_ADDRESS', `${text} is not an address of ${size} octets`)
    },
    read(data) {
      const octets = data.octets(size)
      return size === 4 ? octets.join('.') : ipv6Text(octets)
    },
  }
}

function ipv6Text(octets: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, group) => octets.readUInt16BE(2 * group).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}

/** A name, read with or without compression, written without. */
export const domainName: DataFormat<string> = {
  write: (input, _field, resolve) => resolve(input),
  read: (data) => textName(data.name()),
}

/** A number of 1, 2 or 4 octets. @param unset its value where the user gives none */
export function unsigned(size: 1 | 2 | 4, unset?: number): DataFormat<number | undefined> {
  const most = 2 ** (8 * size) - 1
  return {
    write(input = unset, field) {
      if (input === undefined || !Number.isInteger(input) || input < 0 || input > most) {
        throw new DnsError('INVALID_RECORD', `${field}: ${input} is not a number between 0 and ${most}`)
      }
      const octets = Buffer.alloc(size)
      octets.writeUIntBE(input, 0, size)
      return octets
    },
    read: (data) => String(data.number(size)),
  }
}

/** A string of at most 255 octets behind its length (RFC 1035, 3.3). */
export const characterString: DataFormat<string> = {
  write(input) {
    const octets = Buffer.from(input, 'utf8')
    if (octets.length <= 255) return Buffer.concat([Buffer.of(octets.length), octets])
    throw new DnsError(
      'INVALID_RECORD',
      `a text of ${octets.length} octets is too long for one string of a record, 255 is the most`,
    )
  },
  read: (data) => JSON.stringify(data.octets(data.number(1)).toString('utf8')),
}

/** One string or several, to the end of the data (RFC 1035, 3.3.14). */
export const characterStrings: DataFormat<readonly string[]> = {
  write(input, field, resolve) {
    if (input.length === 0)
      throw new DnsError('INVALID_RECORD', `${field}: there must be one string at least`)
    return Buffer.concat(input.map((text) => characterString.write(text, field, resolve)))
  },
  read(data) {
    const texts: string[] = []
    do texts.push(characterString.read(data))
    while (data.left > 0)
    return texts.join(' ')
  },
}

/** Several fields, one after the other; the user gives an object with their names. */
export function fields<Input extends object>(
  formats: {
    readonly [Field in keyof Input]-?: DataFormat<Input[Field]>
  },
): DataFormat<Input> {
  const all = Object.entries(formats) as [keyof Input & string, DataFormat<unknown>][]
  return {
    write: (input, _field, resolve) =>
      Buffer.concat(all.map(([field, format]) => format.write(input[field], field, resolve))),
    read: (data) => all.map(([, format]) => format.read(data)).join(' '),
  }
}

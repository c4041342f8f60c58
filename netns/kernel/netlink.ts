/** Netlink's framing (netlink(7)): messages of attributes out, acknowledgements or dumps back. */
import { closeSync } from 'node:fs'
import { kernelError, NetnsError } from './errors.ts'
import { AF_NETLINK, bind, receive, SOCK_RAW, send, setsockopt, socket } from './libc.ts'

/** A type with its value; a list of attributes is a nested one. */
export type Attribute = readonly [type: number, value: Uint8Array | readonly Attribute[]]

export interface Request {
  type: number
  /** Besides NLM_F_REQUEST and NLM_F_ACK, which every request has. */
  flags?: number
  /** The fixed structure of the message's family: ifinfomsg, ifaddrmsg, … */
  header: Uint8Array
  attributes: readonly Attribute[]
  /** Says what is being done, for the error if the kernel refuses. */
  doing: string
}

export interface Message {
  header: Uint8Array
  attributes: Map<number, Uint8Array>
}

export const u8 = (value: number) => Uint8Array.of(value)
export const u32 = (value: number) => new Uint8Array(Uint32Array.of(value).buffer)
export const u64 = (value: bigint) => new Uint8Array(BigUint64Array.of(value).buffer)
export const text = (value: string) => Buffer.from(`${value}\0`)
export const readU32 = (bytes: Uint8Array, offset = 0) =>
  Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(offset)
export const readText = (bytes: Uint8Array) => Buffer.from(bytes).toString().replace(/\0.*$/s, '')

const NLA_F_NESTED = 0x8000
const aligned = (length: number) => (length + 3) & ~3

export function encodeAttributes(attributes: readonly Attribute[]): Buffer {
  const parts: Uint8Array[] = []
  for (const [type, value] of attributes) {
    const nested = !(value instanceof Uint8Array)
    const payload = nested ? encodeAttributes(value) : value
    const part = Buffer.alloc(aligned(4 + payload.length))
    part.writeUInt16LE(4 + payload.length, 0)
    part.writeUInt16LE(nested ? type | NLA_F_NESTED : type, 2)
    part.set(payload, 4)
    parts.push(part)
  }
  return Buffer.concat(parts)
}

/** If an attribute comes twice the last is kept; rtnetlink's lists are nested, so none does. */
export function decodeAttributes(bytes: Uint8Array): Map<number, Uint8Array> {
  const attributes = new Map<number, Uint8Array>()
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true)
    if (length < 4) break
    attributes.set(view.getUint16(at + 2, true) & 0x3fff, bytes.subarray(at + 4, at + length))
    at += aligned(length)
  }
  return attributes
}

const NLM_F_REQUEST = 1
export const NLM_F_ACK = 4
const NLM_F_DUMP = 0x300
const NLM_F_ACK_TLVS = 0x200
const NLM_F_CAPPED = 0x100
export const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const NLMSGERR_ATTR_MSG = 1
export const headerLength = 16

export function encode(
  { type, flags = 0, header, attributes }: Request,
  sequence: number,
  kind: number,
): Buffer {
  const body = encodeAttributes(attributes)
  const headed = aligned(header.length)
  const message = Buffer.alloc(headerLength + headed + body.length)
  message.writeUInt32LE(message.length, 0)
  message.writeUInt16LE(type, 4)
  message.writeUInt16LE(NLM_F_REQUEST | kind | flags, 6)
  message.writeUInt32LE(sequence, 8)
  message.set(header, headerLength)
  message.set(body, headerLength + headed)
  return message
}

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11

/** Opens a netlink socket of the calling thread's namespace; with `groups` it hears what others change. */
export function openNetlink(protocol: number, groups: readonly number[] = []): number {
  const doing = 'open a netlink socket'
  const fd = socket(AF_NETLINK, SOCK_RAW, protocol, doing)
  try {
    // Without an address of its own (struct sockaddr_nl, chosen by the kernel) it hears nothing.
    const address = Buffer.alloc(12)
    address.writeUInt16LE(AF_NETLINK, 0)
    bind(fd, address, doing)
    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, u32(1), doing)
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, u32(1), doing)
    for (const group of groups) setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, u32(group), doing)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/** How many acknowledgements a socket's receive buffer surely holds. */
const mostAtOnce = 100

// An answer is read completely before the next call, and nothing here waits: one buffer serves all sockets.
const answer = Buffer.alloc(128 * 1024)

/**
 * A route-netlink socket in the namespace that the calling thread was in when it was made; it works from anywhere.
 * The kernel handles requests while they are being sent, so nothing here ever waits for an answer.
 */
export class NetlinkSocket implements Disposable {
  #fd = openNetlink(NETLINK_ROUTE)
  #sequence = 0

  /**
   * Sends all requests at once. The kernel goes on after one that it refuses, so the caller undoes the rest.
   *
   * @param tolerated - errnos that are as good as success: `ENOENT`, when what is to be removed has gone already
   * @throws NetnsError `KERNEL`, of the first request that was refused
   */
  apply(requests: readonly Request[], tolerated: readonly string[] = []): void {
    let refused: NetnsError | undefined
    for (let at = 0; at < requests.length; at += mostAtOnce) {
      refused = this.#apply(requests.slice(at, at + mostAtOnce), tolerated) ?? refused
    }
    if (refused !== undefined) throw refused
  }

  #apply(requests: readonly Request[], tolerated: readonly string[]): NetnsError | undefined {
    const first = this.#sequence + 1
    const messages = requests.map((request) => encode(request, ++this.#sequence, NLM_F_ACK))
    send(this.#fd, Buffer.concat(messages), 'send to netlink')
    let refused: NetnsError | undefined
    let acknowledged = 0
    while (acknowledged < requests.length) {
      for (const { type, flags, sequence, payload } of this.#read()) {
        const request = requests[sequence - first]
        if (type !== NLMSG_ERROR || request === undefined) continue
        acknowledged += 1
        const error = errorOf(payload, flags, request.doing)
        if (error !== undefined && !tolerated.includes(String(error.errno))) refused ??= error
      }
    }
    return refused
  }

  /** Lists everything of a kind that the namespace has. */
  dump(request: Request): Message[] {
    const sequence = ++this.#sequence
    send(this.#fd, encode(request, sequence, NLM_F_DUMP), request.doing)
    const messages: Message[] = []
    for (;;) {
      for (const message of this.#read()) {
        if (message.sequence !== sequence) continue
        if (message.type === NLMSG_DONE) return messages
        if (message.type === NLMSG_ERROR) throw errorOf(message.payload, message.flags, request.doing)
        messages.push(contentOf(message.payload, request.header.length))
      }
    }
  }

  /** Asks a question that has one answer. */
  get(request: Request): Message {
    const sequence = ++this.#sequence
    send(this.#fd, encode(request, sequence, 0), request.doing)
    for (;;) {
      for (const message of this.#read()) {
        if (message.sequence !== sequence) continue
        if (message.type === NLMSG_ERROR) throw errorOf(message.payload, message.flags, request.doing)
        return contentOf(message.payload, request.header.length)
      }
    }
  }

  #read() {
    const length = receive(this.#fd, answer, 'read from netlink')
    if (length === undefined) throw new NetnsError('KERNEL', 'netlink did not answer')
    if (length > answer.length) throw new NetnsError('KERNEL', `netlink answered ${length} bytes at once`)
    return split(answer.subarray(0, length))
  }

  close(): void {
    if (this.#fd < 0) return
    closeSync(this.#fd)
    // The number is soon another file's: calls that come too late shall get EBADF.
    this.#fd = -1
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** Copies an answer's contents, since the buffer is used again. */
function contentOf(payload: Buffer, headerSize: number): Message {
  const copy = Buffer.from(payload)
  return {
    header: copy.subarray(0, headerSize),
    attributes: decodeAttributes(copy.subarray(aligned(headerSize))),
  }
}

/** Splits a datagram into its messages. */
export function* split(datagram: Buffer) {
  for (let at = 0; at + headerLength <= datagram.length; ) {
    const length = datagram.readUInt32LE(at)
    if (length < headerLength) return
    yield {
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + headerLength, at + length),
    }
    at += aligned(length)
  }
}

/** Reads struct nlmsgerr, then the request (its header alone, if capped), then the kernel's own words. */
export function errorOf(payload: Buffer, flags: number, doing: string): NetnsError | undefined {
  const errno = -payload.readInt32LE(0)
  if (errno === 0) return undefined
  let words: string | undefined
  if (flags & NLM_F_ACK_TLVS) {
    const request = flags & NLM_F_CAPPED ? headerLength : payload.readUInt32LE(4)
    const message = decodeAttributes(payload.subarray(4 + aligned(request))).get(NLMSGERR_ATTR_MSG)
    if (message !== undefined) words = readText(message)
  }
  return kernelError(errno, doing, words)
}

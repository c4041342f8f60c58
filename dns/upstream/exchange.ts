import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { DnsError } from '../errors.ts'
import { addressOnly } from '../wire/address.ts'
import { flag, headerSize } from '../wire/decode-query.ts'
import { sameName } from '../wire/name.ts'
import type { Upstream } from './upstream.ts'

/** A query as it is sent: its id is ours, its question ends at `questionEnd`. */
export interface Question {
  readonly message: Buffer
  readonly questionEnd: number
}

/**
 * Tells whether a message answers a question, by its id, QR, opcode and question (RFC 5452, 9.1). The connected socket
 * has checked where it came from. A server that could not read the query may leave out the question.
 */
export function answersQuestion(answer: Buffer, { message, questionEnd }: Question): boolean {
  if (answer.length < headerSize || answer.readUInt16BE(0) !== message.readUInt16BE(0)) return false
  const flags = answer.readUInt16BE(2)
  if ((flags & flag.QR) === 0 || (flags & 0x7800) !== 0) return false
  if (answer.readUInt16BE(4) === 0) return answer.length === headerSize && (flags & 0xf) !== 0
  if (answer.readUInt16BE(4) !== 1 || answer.length < questionEnd) return false
  // Type and class have no case: 65 (HTTPS) is not 97.
  return (
    sameName(answer, headerSize, message, headerSize, questionEnd - 4 - headerSize) &&
    answer.compare(message, questionEnd - 4, questionEnd, questionEnd - 4, questionEnd) === 0
  )
}

/**
 * Asks over UDP, from a new socket for each question: so its port is as random as its id, and the kernel accepts only
 * messages from the upstream. Messages that do not answer the question are ignored.
 */
export function askUdp(
  { address, port }: Upstream,
  question: Question,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4', lookup: addressOnly })
    const finish = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort)
      socket.removeAllListeners('message')
      socket.close()
      settle()
    }
    let finished = false
    const end = (settle: () => void) => {
      if (finished) return
      finished = true
      finish(settle)
    }
    const fail = (cause: unknown) => end(() => reject(failure(`${address} port ${port}`, cause)))
    const onAbort = () => fail(signal.reason)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) return onAbort()
    socket.on('error', fail)
    socket.on('message', (answer) => {
      if (answersQuestion(answer, question)) end(() => resolve(answer))
    })
    socket.connect(port, address, ((error?: Error) => {
      if (error) return fail(error)
      // It may have been aborted meanwhile, and the socket closed.
      if (!finished) socket.send(question.message, (sent) => sent && fail(sent))
    }) as () => void)
  })
}

/** Asks over TCP, on a new connection, for an answer that did not fit into a datagram (RFC 7766, 6.1.1). */
export function askTcp(
  { address, port }: Upstream,
  question: Question,
  signal: AbortSignal,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port })
    const chunks: Buffer[] = []
    const end = (settle: () => void) => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      settle()
    }
    const fail = (cause: unknown) => end(() => reject(failure(`${address} port ${port} over TCP`, cause)))
    const onAbort = () => fail(signal.reason)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) return onAbort()
    socket.on('error', fail)
    socket.on('close', () => fail(new Error('the connection was closed before the answer was complete')))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      const received = Buffer.concat(chunks)
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const answer = received.subarray(2, 2 + received.readUInt16BE(0))
      if (answersQuestion(answer, question)) end(() => resolve(answer))
      else fail(new Error('the answer does not belong to the question'))
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(question.message.length)
    socket.write(Buffer.concat([length, question.message]))
  })
}

function failure(where: string, cause: unknown): DnsError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new DnsError('UPSTREAM_FAILED', `asking ${where}: ${reason}`, { cause })
}

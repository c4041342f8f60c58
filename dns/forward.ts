import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import { rcodes } from './constants.ts'
import { isV6, type Upstream } from './upstreams.ts'

/** How long one upstream is waited for, and all of them together: resolvers give up after 5 s. */
const oneTimeout = 2_000
const wholeTimeout = 4_500
/** Questions under way at once: in all, and for one client. */
const mostInFlight = 1_024
const mostOfClient = 64
const TC = 0x0200

/** What came of asking the outside: raw bytes with the caller's id, or why there are none. */
export type Forwarded = Buffer | 'overload' | 'failed'

export interface Forwarder {
  /** @param message - the client's query, whole; only its id is changed on the way */
  forward(message: Buffer, client: string): Promise<Forwarded>
  /** How many questions are under way. */
  readonly inFlight: number
  close(): void
}

/** Asks upstream resolvers, one after the other; identical questions that are under way are asked once. */
export function createForwarder(upstreams: () => readonly Upstream[]): Forwarder {
  const flights = new Map<string, Promise<Buffer | undefined>>()
  const ofClient = new Map<string, number>()
  const closing = new AbortController()
  let inFlight = 0

  const askAll = async (message: Buffer): Promise<Buffer | undefined> => {
    const deadline = performance.now() + wholeTimeout
    let last: Buffer | undefined
    for (const upstream of upstreams()) {
      const left = Math.min(oneTimeout, deadline - performance.now())
      if (left <= 0 || closing.signal.aborted) break
      const answer = await ask(message, upstream, left, closing.signal)
      if (answer === undefined) continue
      last = answer
      const rcode = answer.readUInt16BE(2) & 15
      if (rcode !== rcodes.SERVFAIL && rcode !== rcodes.REFUSED) return answer
    }
    return last
  }

  return {
    get inFlight() {
      return inFlight
    },
    async forward(message, client) {
      const count = ofClient.get(client) ?? 0
      if (inFlight >= mostInFlight || count >= mostOfClient) return 'overload'
      inFlight += 1
      ofClient.set(client, count + 1)
      try {
        const key = message.toString('latin1', 2)
        let flight = flights.get(key)
        if (flight === undefined) {
          flight = askAll(message).finally(() => flights.delete(key))
          flights.set(key, flight)
        }
        const answer = await flight
        if (answer === undefined) return 'failed'
        const own = Buffer.from(answer)
        message.copy(own, 0, 0, 2)
        return own
      } finally {
        inFlight -= 1
        const left = (ofClient.get(client) ?? 1) - 1
        if (left === 0) ofClient.delete(client)
        else ofClient.set(client, left)
      }
    },
    close: () => closing.abort(),
  }
}

/** One upstream's answer; over TCP when it does not fit into a datagram. */
async function ask(
  message: Buffer,
  upstream: Upstream,
  timeout: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  // RFC 5452: a random id on a random port, so that an answer cannot be guessed.
  const query = Buffer.from(message)
  query.writeUInt16BE(randomInt(65_536), 0)
  const answer = await askOverUdp(query, upstream, timeout, signal)
  if (answer === undefined || (answer.readUInt16BE(2) & TC) === 0) return answer
  return (await askOverTcp(query, upstream, timeout, signal)) ?? answer
}

function askOverUdp(query: Buffer, upstream: Upstream, timeout: number, signal: AbortSignal) {
  return new Promise<Buffer | undefined>((resolve) => {
    const socket = createSocket(isV6(upstream) ? 'udp6' : 'udp4')
    const end = (answer?: Buffer) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.close()
      resolve(answer)
    }
    const timer = setTimeout(end, timeout)
    const onAbort = () => end()
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', () => end())
    socket.on('message', (answer) => {
      if (isAnswerTo(query, answer)) end(answer)
    })
    // Connected: the kernel drops what comes from elsewhere, and a refused port is told at once.
    socket.connect(upstream.port, upstream.address, () => socket.send(query))
  })
}

function askOverTcp(query: Buffer, upstream: Upstream, timeout: number, signal: AbortSignal) {
  return new Promise<Buffer | undefined>((resolve) => {
    const socket = connect(upstream.port, upstream.address)
    let received = Buffer.alloc(0)
    const end = (answer?: Buffer) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      resolve(answer)
    }
    const timer = setTimeout(end, timeout)
    const onAbort = () => end()
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', () => end())
    socket.on('close', () => end())
    socket.on('connect', () => {
      const length = Buffer.alloc(2)
      length.writeUInt16BE(query.length)
      socket.write(Buffer.concat([length, query]))
    })
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const answer = received.subarray(2, 2 + received.readUInt16BE(0))
      end(isAnswerTo(query, answer) ? Buffer.from(answer) : undefined)
    })
  })
}

/** RFC 5452 section 9.1: the same id and question, and a response. */
function isAnswerTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false
  if ((answer.readUInt16BE(2) & 0x8000) === 0) return false
  if (answer.readUInt16BE(4) !== 1) return answer.readUInt16BE(4) === 0 && answer.length === 12
  const end = questionEnd(query)
  return answer.length >= end && answer.compare(query, 12, end, 12, end) === 0
}

function questionEnd(query: Buffer): number {
  let at = 12
  while (at < query.length && query[at] !== 0) at += 1 + (query[at] ?? 0)
  return Math.min(query.length, at + 5)
}

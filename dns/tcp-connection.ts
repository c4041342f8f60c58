import type { Socket } from 'node:net'
import type { Clock } from './clock.ts'
import type { Counts } from './counters.ts'
import type { Limits } from './limits.ts'
import { headerSize, longestQuery } from './message.ts'
import type { Send, Server } from './serve.ts'

/** One client's TCP connection: framing, pipelining with answers in any order, and its limits (RFC 7766). */
export interface Connection {
  /** Nothing is being answered. */
  readonly idle: boolean
  finish(): void
  destroy(): void
}

interface Parts {
  socket: Socket
  client: string
  server: Server
  limits: Limits
  clock: Clock
  counts: Counts
}

/** @param closed is called once, in the same turn in which the connection stops counting */
export function openConnection(
  { socket, client, server, limits, clock, counts }: Parts,
  closed: () => void,
): Connection {
  const asker = { client, transport: 'tcp' as const }
  let received: Buffer = Buffer.alloc(0)
  let waiting = 0
  let ended = false
  let gone = false
  let lastQuery = clock.now()
  let timer = clock.setTimeout(checkIdle, limits.idle)

  // A client may say that it has asked its last question, and still wait for answers (RFC 7766, 6.2.4).
  socket.allowHalfOpen = true
  socket.setNoDelay(true)

  const send: Send = (answer, size) => {
    if (gone) return
    // Length and message in one write, so in one segment (RFC 7766, 8).
    const frame = Buffer.allocUnsafe(2 + size)
    frame.writeUInt16BE(size)
    answer.copy(frame, 2, 0, size)
    socket.write(frame)
  }

  const destroy = () => {
    if (gone) return
    gone = true
    timer[Symbol.dispose]()
    socket.destroy()
    closed()
  }

  const busy = () => waiting >= limits.queriesPerConnection || socket.writableLength > limits.unreadAnswers

  const answerFrames = () => {
    while (!gone && !busy() && received.length >= 2) {
      const size = received.readUInt16BE(0)
      // What is longer than any query is refused by its header, and not waited for.
      const tooLong = size > longestQuery
      if (received.length < 2 + (tooLong ? headerSize : size)) break
      // Copied: it may wait for an upstream, and should not keep all that came with it.
      const message = Buffer.from(received.subarray(2, 2 + (tooLong ? headerSize : size)))
      received = tooLong ? received.subarray(received.length) : received.subarray(2 + size)
      if (tooLong) ended = true
      lastQuery = clock.now()
      const answering = server.serve(message, asker, send)
      if (answering === undefined) continue
      waiting++
      void answering.then(() => {
        waiting--
        lastQuery = clock.now()
        answerFrames()
      })
    }
    if (gone) return
    if (ended && waiting === 0 && !(received.length >= 2 && busy())) {
      socket.end()
      // Half a query, or what followed a refused one: nobody will read it.
      socket.resume()
    } else if (busy() || ended) socket.pause()
    else socket.resume()
  }

  /** Counted from the last whole query, so that dripping octets does not keep a connection. */
  function checkIdle() {
    const left = lastQuery + limits.idle - clock.now()
    if (waiting === 0 && left <= 0) destroy()
    else timer = clock.setTimeout(checkIdle, Math.max(left, limits.idle / 10))
  }

  socket.on('data', (chunk: Buffer) => {
    if (ended) return
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    answerFrames()
  })
  socket.on('drain', answerFrames)
  socket.on('end', () => {
    ended = true
    answerFrames()
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // A client that goes away is no fault.
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') counts.errors++
  })
  socket.on('close', destroy)

  return {
    get idle() {
      return waiting === 0
    },
    finish() {
      ended = true
      received = received.subarray(received.length)
      answerFrames()
    },
    destroy,
  }
}

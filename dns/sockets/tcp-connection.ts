import type { Socket } from 'node:net'
import type { QueryHandler, Send } from '../answering/handle-query.ts'
import type { Clock } from '../clock.ts'
import type { Counts } from '../counters.ts'
import type { Limits } from '../limits.ts'
import { headerSize, longestQuery } from '../wire/decode-query.ts'
import type { Turns } from './turns.ts'

/** Queries of one connection that are answered before other connections have their turn. */
const queriesInVisit = 8

/** One client's TCP connection: framing, pipelining with answers in any order, and its limits (RFC 7766). */
export interface Connection {
  /** True while no query waits for its answer. */
  readonly idle: boolean
  /** Reads no further query; the connection ends with its last answer. */
  finish(): void
  destroy(): void
}

interface ConnectionOptions {
  socket: Socket
  client: string
  queries: QueryHandler
  limits: Limits
  clock: Clock
  counts: Counts
  turns: Turns
}

/** @param closed called once, in the turn of the event loop in which the connection stops counting */
export function openConnection(
  { socket, client, queries, limits, clock, counts, turns }: ConnectionOptions,
  closed: () => void,
): Connection {
  const asker = { client, transport: 'tcp' as const }
  let received: Buffer = Buffer.alloc(0)
  let waiting = 0
  let ended = false
  let gone = false
  /** True while whole queries wait for their turn. */
  let queued = false
  let lastQuery = clock.now()
  let timer = clock.setTimeout(checkIdle, limits.idle)

  // A client may close its half after its last query, and still wait for answers (RFC 7766, 6.2.4).
  socket.allowHalfOpen = true
  socket.setNoDelay(true)

  const send: Send = (reply, size) => {
    if (gone) return
    // Length and message in one write, so in one segment (RFC 7766, 8).
    const frame = Buffer.allocUnsafe(2 + size)
    frame.writeUInt16BE(size)
    reply.copy(frame, 2, 0, size)
    socket.write(frame)
  }

  const destroy = () => {
    if (gone) return
    gone = true
    timer[Symbol.dispose]()
    turns.forget(answerFrames)
    socket.destroy()
    closed()
  }

  const busy = () => waiting >= limits.queriesPerConnection || socket.writableLength > limits.unreadAnswers

  /**
   * The size of the next message once it is complete. A message longer than any query is refused by its header, so only
   * that has to be there.
   */
  const nextSize = () => {
    if (received.length < 2) return undefined
    const size = received.readUInt16BE(0)
    const needed = size > longestQuery ? headerSize : size
    return received.length < 2 + needed ? undefined : size
  }

  function answerFrames() {
    queued = false
    // Answers that are ready together leave together.
    socket.cork()
    answerSome()
    socket.uncork()
    if (gone) return
    if (!busy() && nextSize() !== undefined) {
      queued = true
      socket.pause()
      turns.visit(answerFrames)
    } else if (ended && waiting === 0 && !(received.length >= 2 && busy())) {
      socket.end()
      // Half a query may be left, or octets behind a refused one: they are dropped.
      socket.resume()
    } else if (busy() || ended) socket.pause()
    else socket.resume()
  }

  const answerSome = () => {
    for (let left = queriesInVisit; left > 0 && !gone && !busy(); left--) {
      const size = nextSize()
      if (size === undefined) return
      const tooLong = size > longestQuery
      // A copy: it may wait for an upstream, and should not keep the whole chunk in memory.
      const message = Buffer.from(received.subarray(2, 2 + (tooLong ? headerSize : size)))
      received = tooLong ? received.subarray(received.length) : received.subarray(2 + size)
      if (tooLong) ended = true
      lastQuery = clock.now()
      const answering = queries.handle(message, asker, send)
      if (answering === undefined) continue
      waiting++
      void answering.then(() => {
        waiting--
        lastQuery = clock.now()
        if (!gone) turns.visit(answerFrames)
      })
    }
  }

  /** The time counts from the last whole query, so that single octets now and then do not keep a connection open. */
  function checkIdle() {
    const left = lastQuery + limits.idle - clock.now()
    if (waiting === 0 && left <= 0) destroy()
    else timer = clock.setTimeout(checkIdle, Math.max(left, limits.idle / 10))
  }

  socket.on('data', (chunk: Buffer) => {
    if (ended) return
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk])
    // Nothing more is read until this connection has had its turn.
    socket.pause()
    turns.visit(answerFrames)
  })
  socket.on('drain', () => turns.visit(answerFrames))
  socket.on('end', () => {
    ended = true
    turns.visit(answerFrames)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    // A client that goes away is no fault.
    if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') counts.errors++
  })
  socket.on('close', destroy)

  return {
    get idle() {
      return waiting === 0 && !queued
    },
    finish() {
      ended = true
      received = received.subarray(received.length)
      answerFrames()
    },
    destroy,
  }
}

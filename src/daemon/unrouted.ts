import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify'
import { MoorageError } from '../errors/index.ts'
import { documentHeaders, encodeDocument, errorAnswer } from './json-answer.ts'

/** Returns server options by which a request that cannot be routed (malformed HTTP or URL) gets an error document. */
export function unroutedOptions(
  version: string,
): Pick<FastifyServerOptions, 'clientErrorHandler' | 'frameworkErrors'> {
  return {
    frameworkErrors(thrown, _request, reply) {
      const { status, document } = errorAnswer(thrown)
      // Fastify's types know no routes here.
      const answer = reply as FastifyReply
      answer.code(status).headers(documentHeaders(version)).send(encodeDocument(document))
    },
    clientErrorHandler(thrown, socket) {
      // A connection that the client has reset takes no answer.
      if (thrown.code === 'ECONNRESET' || !socket.writable) socket.destroy()
      else endWithError(socket, version, thrown.message)
    },
  }
}

/** Returns a handler that answers a request that fits no route with an error document. */
export function notFoundHandler(version: string) {
  return ({ method, url }: FastifyRequest, reply: FastifyReply): void => {
    const reason = `there is no ${method} ${url.split('?')[0]}`
    const { document } = errorAnswer(new MoorageError('INVALID_REQUEST', { reason }))
    reply.code(404).headers(documentHeaders(version)).send(encodeDocument(document))
  }
}

/** Answers a request that is no HTTP, and closes its connection. */
function endWithError(socket: Socket, version: string, reason: string): void {
  const { status, document } = errorAnswer(new MoorageError('INVALID_REQUEST', { reason }))
  const body = encodeDocument(document)
  const headers = {
    ...documentHeaders(version),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`)
}

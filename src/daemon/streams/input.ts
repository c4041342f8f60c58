import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { inputType } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'

/** Bytes of the longest request before an input. */
const longestRequest = 64 * 1024 * 1024

/** Lets requests come with an input: a line of JSON, and then the input's bytes. */
export function acceptInputs(app: FastifyInstance): void {
  app.addContentTypeParser(inputType, (_request, payload, done) => done(null, payload))
}

/**
 * Reads a request of JSON, or of a line of JSON with an input behind it. The input is not read here.
 *
 * @throws MoorageError INVALID_REQUEST
 */
export async function readRequest(request: FastifyRequest): Promise<{ body: unknown; input?: Readable }> {
  if (request.headers['content-type'] !== inputType) return { body: request.body }
  const { raw: input } = request
  const line = await readLine(input)
  try {
    return { body: JSON.parse(line.toString()), input }
  } catch (cause) {
    throw new MoorageError('INVALID_REQUEST', { reason: 'its first line is not JSON' }, { cause })
  }
}

/** Reads up to the first newline, and leaves what comes behind it. */
async function readLine(body: Readable): Promise<Buffer> {
  const pieces: Buffer[] = []
  let size = 0
  for (;;) {
    const piece = body.read() as Buffer | null
    if (piece === null) {
      if (body.readableEnded || body.destroyed)
        throw new MoorageError('INVALID_REQUEST', { reason: 'it ended within its first line' })
      await news(body)
      continue
    }
    const end = piece.indexOf(10)
    if (end === -1) {
      pieces.push(piece)
      size += piece.length
      if (size > longestRequest)
        throw new MoorageError('INVALID_REQUEST', {
          reason: `its first line is above ${longestRequest} bytes`,
        })
      continue
    }
    pieces.push(piece.subarray(0, end))
    const rest = piece.subarray(end + 1)
    if (rest.length > 0) body.unshift(rest)
    return Buffer.concat(pieces)
  }
}

/** Resolves when there is something to read, or nothing to wait for any more. */
function news(stream: Readable): Promise<void> {
  const events = ['readable', 'end', 'close', 'error']
  return new Promise((resolve) => {
    const onNews = () => {
      for (const event of events) stream.off(event, onNews)
      resolve()
    }
    for (const event of events) stream.on(event, onNews)
  })
}

import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { parse } from './parse.ts'

/** Bytes of the longest body that is kept, and of all that are kept. */
const longestBody = 64 * 1024
const capacity = 8 * 1024 * 1024

/**
 * Keeps request bodies by their bytes: an equal body becomes the same object, by which the work that was done for it (the
 * parsed request, the plan of its definition) is found again. Parsing and planning are most of the work of a cached
 * answer. A body that carries secrets is not kept.
 */
export function keepBodies(app: FastifyInstance): void {
  const bodies = new Map<string, { body: unknown; size: number }>()
  let size = 0
  const parseJson = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length > longestBody) return parseJson(request, bytes.toString(), done)
    const key = hash('sha256', bytes, 'base64')
    const kept = bodies.get(key)
    if (kept) {
      // The order of the map is that of use.
      bodies.delete(key)
      bodies.set(key, kept)
      return done(null, kept.body)
    }
    void parseJson(request, bytes.toString(), (error, body) => {
      if (!error && typeof body === 'object' && body !== null && !('secrets' in body)) {
        bodies.set(key, { body, size: bytes.length })
        size += bytes.length
        for (const [oldestKey, oldest] of bodies) {
          if (size <= capacity) break
          bodies.delete(oldestKey)
          size -= oldest.size
        }
      }
      done(error, body)
    })
  })
}

/** Parsed requests, by schema and body. */
const requests = new WeakMap<object, WeakMap<object, unknown>>()

/**
 * Parses like `parse`; the same body gives the same request, which nobody may change.
 *
 * @throws MoorageError INVALID_DEFINITION or INVALID_REQUEST, naming the field
 */
export function parseOnce<T>(schema: z.ZodType<T>, body: unknown): T {
  if (typeof body !== 'object' || body === null) return parse(schema, body)
  const parsed = requests.get(schema) ?? new WeakMap<object, unknown>()
  requests.set(schema, parsed)
  const earlier = parsed.get(body) as T | undefined
  if (earlier !== undefined) return earlier
  const request = parse(schema, body)
  parsed.set(body, request)
  return request
}

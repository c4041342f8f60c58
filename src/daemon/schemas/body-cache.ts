import { hash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import { parse } from './definition.ts'

/** The longest body that is kept, and how many bytes of them in all. */
const longest = 64 * 1024
const capacity = 8 * 1024 * 1024

/**
 * Bodies by their bytes: who asks the same again gets the same object, and what was made of it (the parsed request, the
 * plan of its definition) is found by that. Parsing and planning are most of the work of a cached answer. What carries
 * secrets is not kept.
 */
export function keepBodies(app: FastifyInstance): void {
  const bodies = new Map<string, { body: unknown; size: number }>()
  let size = 0
  const usual = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
    if (bytes.length > longest) return usual(request, bytes.toString(), done)
    const key = hash('sha256', bytes, 'base64')
    const known = bodies.get(key)
    if (known) {
      bodies.delete(key)
      bodies.set(key, known)
      return done(null, known.body)
    }
    void usual(request, bytes.toString(), (error, body) => {
      if (!error && typeof body === 'object' && body !== null && !('secrets' in body)) {
        bodies.set(key, { body, size: bytes.length })
        size += bytes.length
        for (const [oldest, its] of bodies) {
          if (size <= capacity) break
          bodies.delete(oldest)
          size -= its.size
        }
      }
      done(error, body)
    })
  })
}

const requests = new WeakMap<object, WeakMap<object, unknown>>()

/**
 * As `parse`; the same body gives the same request, which nobody may change.
 *
 * @throws MoorageError INVALID_DEFINITION or INVALID_REQUEST, naming the field
 */
export function parseOnce<T>(schema: z.ZodType<T>, body: unknown): T {
  if (typeof body !== 'object' || body === null) return parse(schema, body)
  const parsed = requests.get(schema) ?? new WeakMap<object, unknown>()
  requests.set(schema, parsed)
  const known = parsed.get(body) as T | undefined
  if (known !== undefined) return known
  const request = parse(schema, body)
  parsed.set(body, request)
  return request
}

import { apiVersion } from '../definition/index.ts'
import { asMoorageError, MoorageError, type WireError } from '../errors/index.ts'

/** Encodes an answer of one JSON document: each tells the version of the API (docs/http.md). */
export function encodeDocument(document: unknown): string {
  return JSON.stringify({ apiVersion, ...(document as object) })
}

/** Returns the headers of an answer of one JSON document. @param version - of the package */
export function documentHeaders(version: string): Record<string, string> {
  return { 'moorage-version': version, 'content-type': 'application/json; charset=utf-8' }
}

/** Returns the status and the document that answer for an error. */
export function errorAnswer(thrown: unknown): { status: number; document: { error: WireError } } {
  const error = requestError(thrown)
  return { status: error.status, document: { error: error.toJSON() } }
}

/** Returns Fastify's own refusals (malformed JSON, too large a body) as errors of the catalogue. */
function requestError(thrown: unknown): MoorageError {
  const { statusCode, message } = thrown as { statusCode?: number; message?: string }
  if (!(thrown instanceof MoorageError) && statusCode !== undefined && statusCode < 500) {
    return new MoorageError('INVALID_REQUEST', { reason: message ?? 'not understood' }, { cause: thrown })
  }
  return asMoorageError(thrown)
}

import { createHash } from 'node:crypto'
import { canonicalJson } from './canonical-json.ts'

/** Returns the sha256 of a value's canonical JSON, as `sha256:` and 64 hex digits. */
export function sha256OfJson(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`
}

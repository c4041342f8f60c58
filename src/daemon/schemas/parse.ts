import type { z } from 'zod'
import { MoorageError } from '../../errors/index.ts'

/** A schema that the compiler holds to a type of the client's, with `satisfies`. */
export type Exact<T> = z.ZodType<T>

/** Parses what comes from outside. @throws MoorageError INVALID_DEFINITION or INVALID_REQUEST, naming the field */
export function parse<T>(schema: Exact<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.path.join('.') ?? ''
  const reason = [path, issue?.message].filter(Boolean).join(': ')
  throw new MoorageError(path.startsWith('definition') ? 'INVALID_DEFINITION' : 'INVALID_REQUEST', { reason })
}

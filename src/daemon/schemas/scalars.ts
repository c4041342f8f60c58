import { z } from 'zod'

/** What several schemas are made of. */

// execve knows no NUL byte: a string with one would be cut there.
export const argument = z
  .string()
  .max(1_000_000)
  .refine((value) => !value.includes('\0'), 'holds a NUL byte')
export const milliseconds = z.number().min(0).max(86_400_000)
export const portNumber = z.int().min(1).max(65_535)

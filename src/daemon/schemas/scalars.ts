import { z } from 'zod'

/** A string for execve(2), which would cut it at a NUL byte. */
export const argument = z
  .string()
  .max(1_000_000)
  .refine((value) => !value.includes('\0'), 'holds a NUL byte')

/** A day at most. */
export const milliseconds = z.number().min(0).max(86_400_000)
export const portNumber = z.int().min(1).max(65_535)
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

import { z } from 'zod'
import { argumentProblem } from '../../definition/index.ts'

/** A string for execve(2), which would cut it at a NUL byte, and takes none above a bound. */
export const argument = z.string().superRefine((value, context) => {
  const problem = argumentProblem(value)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

/** A day at most. */
export const milliseconds = z.number().min(0).max(86_400_000)
export const portNumber = z.int().min(1).max(65_535)
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)

import { z } from 'zod'
import type { ExposedPortCheck, HealthCheck, HttpRequest, LogPattern } from '../../definition/index.ts'
import { argument, milliseconds, portNumber } from './scalars.ts'

const times = {
  timeout: milliseconds.exactOptional(),
  interval: milliseconds.exactOptional(),
  startPeriod: milliseconds.exactOptional(),
  retries: z.int().min(1).max(1_000).exactOptional(),
}
const status = z.int().min(100).max(599)
const httpFields = {
  path: argument.refine((path) => /^\/[\x21-\x7e]*$/.test(path), 'is not a path of a URL'),
  status: z.union([status, z.array(status).min(1).max(100)]).exactOptional(),
}
const http = z.strictObject(httpFields) satisfies z.ZodType<HttpRequest>
const pattern = z.string().min(1).max(10_000)
export const portCheck = z.strictObject({
  ...times,
  http: http.exactOptional(),
}) satisfies z.ZodType<ExposedPortCheck>
const logPattern = z
  .strictObject({ pattern, flags: z.string().max(8).exactOptional() })
  .superRefine(({ pattern: source, flags }, context) => {
    try {
      new RegExp(source, flags)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
    }
  }) satisfies z.ZodType<LogPattern>

export const healthCheck = z.union([
  z.strictObject({ ...times, tcp: portNumber }),
  z.strictObject({ ...times, udp: portNumber }),
  z.strictObject({ ...times, http: z.strictObject({ ...httpFields, port: portNumber.exactOptional() }) }),
  z.strictObject({ ...times, exec: z.array(argument).min(1) }),
  z.strictObject({ ...times, log: z.union([pattern, logPattern]) }),
]) satisfies z.ZodType<HealthCheck>

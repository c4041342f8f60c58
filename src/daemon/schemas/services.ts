import { z } from 'zod'
import { type ExposedPort, type ServiceOptions, signalProblem } from '../../definition/index.ts'
import { healthCheck, portCheck } from './health-check.ts'
import type { Exact } from './parse.ts'
import { milliseconds, portNumber } from './scalars.ts'

const port = z.strictObject({
  port: portNumber,
  protocol: z.enum(['tcp', 'udp']),
  description: z.string().max(1_000_000).exactOptional(),
  check: z.union([z.literal('none'), portCheck]).exactOptional(),
}) satisfies Exact<ExposedPort>

export const serviceFields = {
  ports: z.array(port).max(1_000).exactOptional(),
  healthcheck: z.literal('none').exactOptional(),
  checks: z.array(healthCheck).max(100).exactOptional(),
  grace: milliseconds.exactOptional(),
  startTimeout: milliseconds.exactOptional(),
  stopTimeout: milliseconds.exactOptional(),
  stopSignal: z
    .string()
    .max(20)
    .refine((signal) => signalProblem(signal) === undefined, 'is no signal')
    .exactOptional(),
}
export const serviceOptions = z.strictObject(serviceFields) satisfies Exact<ServiceOptions>

import { z } from 'zod'
import { isCapability, isUlimit, type Resources, smallestMemory } from '../../definition/index.ts'

const limit = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const capability = z.string().refine(isCapability, 'is no capability, such as NET_ADMIN')
export const resources = z.strictObject({
  memory: z.int().min(smallestMemory).max(Number.MAX_SAFE_INTEGER).exactOptional(),
  cpus: z.number().min(0.01).max(10_000).exactOptional(),
  pids: z.int().min(1).max(4_194_304).exactOptional(),
  shmSize: z.int().min(4_096).max(Number.MAX_SAFE_INTEGER).exactOptional(),
  ulimits: z
    .record(
      z.string().refine(isUlimit, 'is no limit, such as nofile'),
      z.union([
        limit,
        z
          .strictObject({ soft: limit, hard: limit })
          .refine(({ soft, hard }) => soft <= hard, 'the soft limit is above the hard one'),
      ]),
    )
    .exactOptional(),
  capabilities: z
    .strictObject({
      add: z.array(capability).max(50).exactOptional(),
      drop: z
        .array(z.union([z.literal('ALL'), capability]))
        .max(50)
        .exactOptional(),
    })
    .exactOptional(),
  init: z.boolean().exactOptional(),
}) satisfies z.ZodType<Resources>

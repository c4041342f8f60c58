import { z } from 'zod'
import type { PortForward } from '../../definition/index.ts'
import type { Exact } from './parse.ts'

export const networkName = z.string().max(40).exactOptional()

const portForward = z.strictObject({
  host: z.int().min(0).max(65_535),
  service: z.int().min(1).max(65_535),
  address: z.union([z.ipv4(), z.ipv6()]).exactOptional(),
  protocol: z.enum(['tcp', 'udp']).exactOptional(),
}) satisfies Exact<PortForward>
export const portForwards = z.array(portForward).max(1_000).exactOptional()

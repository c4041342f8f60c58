import { existsSync } from 'node:fs'
import { withoutUndefined } from '../../../without-undefined.ts'
import type { ContainerResources } from '../../runtime.ts'

/** Processes and threads of one container, unless it says. */
const defaultPids = 4096

/** Period in which CPU time is accounted, in microseconds; Docker's. */
const cpuPeriod = 100_000

/** Version 1 counts memory and swap together only where the kernel was asked to (swapaccount=1). */
const memoryAndSwap = '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes'

/** Returns `linux.resources` of a container's config.json. */
export function cgroupLimits({ memory, cpus, pids = defaultPids }: ContainerResources): object {
  const countsSwap = !existsSync('/sys/fs/cgroup/memory') || existsSync(memoryAndSwap)
  return withoutUndefined({
    devices: [{ allow: false, access: 'rwm' }],
    pids: { limit: pids },
    memory: memory === undefined ? undefined : { limit: memory, ...(countsSwap ? { swap: memory } : {}) },
    cpu: cpus === undefined ? undefined : { period: cpuPeriod, quota: Math.round(cpus * cpuPeriod) },
  })
}

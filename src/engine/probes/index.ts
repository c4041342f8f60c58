/**
 * Probes: one attempt of a health check of each kind, on a container that runs. What a check is, how often it is tried
 * and when it has failed is in src/lifecycle/health.
 */
import type { CheckAnswer, ServiceCheck } from '../../lifecycle/index.ts'
import { probeExec } from './exec.ts'
import { probeHttp } from './http.ts'
import { LogProbe } from './log.ts'
import { probeTcp, probeUdp } from './port.ts'
import type { ProbeTarget } from './target.ts'

export type { ProbeTarget } from './target.ts'

/** The probes of one running container. */
interface Probes extends Disposable {
  probe(check: ServiceCheck, signal: AbortSignal): Promise<CheckAnswer>
}

export function probesOf(target: ProbeTarget): Probes {
  // A log is read once for each pattern, however many checks have it.
  const logs = new Map<string, LogProbe>()
  const logProbe = (pattern: string, flags: string) => {
    const key = `${flags}/${pattern}`
    const probe = logs.get(key) ?? new LogProbe(target, pattern, flags)
    logs.set(key, probe)
    return probe
  }
  return {
    async probe(check, signal) {
      switch (check.kind) {
        case 'tcp':
          return probeTcp(target, check.port, signal)
        case 'udp':
          return probeUdp(target, check.port)
        case 'http':
          return probeHttp(target, check, signal)
        case 'exec':
          return probeExec(target, check, signal)
        case 'log':
          return logProbe(check.pattern, check.flags ?? '').probe(signal)
      }
    },
    [Symbol.dispose]() {
      for (const log of logs.values()) log[Symbol.dispose]()
    },
  }
}

import type { Socket } from 'node:net'
import type { RunningContainer } from '../../runtime/runtime.ts'

/** A service's container, as its probes reach it. */
export interface ProbeTarget {
  /** As the host sees it; its network namespace tells the sockets. */
  readonly pid: number
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly container: Pick<RunningContainer, 'exec'>
  /** The directory of its log. */
  readonly logs: string
  /** Aborted when no more output can come. */
  readonly ended: AbortSignal
  /** Connects to its own address, from inside its network. */
  connect(port: number, signal: AbortSignal): Promise<Socket>
}

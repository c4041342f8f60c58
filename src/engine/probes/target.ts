import type { Socket } from 'node:net'
import type { RunningContainer } from '../../runtime/runtime.ts'

/** A service's container, as its checks reach it. */
export interface ProbeTarget {
  /** Seen from the host; for the sockets of its network namespace. */
  readonly pid: number
  readonly address: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  readonly container: Pick<RunningContainer, 'exec'>
  /** The directory of its log. */
  readonly logs: string
  /** Aborted when no more output can come. */
  readonly ended: AbortSignal
  /** A connection to its own address, from inside its network. */
  connect(port: number, signal: AbortSignal): Promise<Socket>
}

import type { EventEmitter } from 'eventemitter3'
import type { Change } from './zones/change.ts'

/** One query that was answered. */
export interface QueryEvent {
  /** The client's address. */
  readonly client: string
  readonly transport: 'udp' | 'tcp'
  /** As the client spelled it; empty if the query had no readable question. */
  readonly name: string
  readonly type: string
  /** `NOERROR`, `NXDOMAIN`, … */
  readonly status: string
  /** How many records the answer had. */
  readonly answers: number
  /** Who knew the answer; `refusal` is nobody. */
  readonly source: 'view' | 'zone' | 'local' | 'refusal' | 'upstream'
  /** The upstream that answered, as `address port`. */
  readonly upstream?: string
}

/** Events of the server, with what their listeners get. */
export interface DnsEvents {
  query: (query: QueryEvent) => void
  /** Zones or views were changed; what an `update()` changed comes together. The next query sees it. */
  change: (changes: readonly Change[]) => void
  /** A socket failed, or the server met a fault of its own; it goes on. */
  error: (error: Error) => void
}

export type DnsEmitter = EventEmitter<DnsEvents>

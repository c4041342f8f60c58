import type { EventEmitter } from 'eventemitter3'
import type { Change } from './zones/change.ts'

/** One query that was answered. */
export interface QueryEvent {
  /** The client's address. */
  readonly client: string
  readonly transport: 'udp' | 'tcp'
  /** The name as the client spelled it; empty if the query had no readable question. */
  readonly name: string
  readonly type: string
  /** `NOERROR`, `NXDOMAIN`, … */
  readonly status: string
  /** The number of records in the answer section. */
  readonly answers: number
  /** The origin of the answer; `refusal` is an error of ours. */
  readonly source: 'view' | 'zone' | 'local' | 'refusal' | 'upstream'
  /** The upstream that answered, as `address port`. */
  readonly upstream?: string
}

/** The events of the server, each with the arguments of its listeners. */
export interface DnsEvents {
  query: (query: QueryEvent) => void
  /** Zones or views were changed; all changes of one `update()` come together. The next query sees them. */
  change: (changes: readonly Change[]) => void
  /** A socket failed, or the server met a fault of its own; it goes on. */
  error: (error: Error) => void
}

export type DnsEmitter = EventEmitter<DnsEvents>

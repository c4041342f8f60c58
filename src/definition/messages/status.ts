import type { ServiceState } from './progress-events.ts'
import type { apiVersion, PortForward } from './requests.ts'

/** What a daemon says of itself: status, rows, explanations. Times are milliseconds since the epoch. */

export interface ServiceRow {
  /** The first 12 characters of the label. */
  id: string
  label: string
  /** Its custom hostname, else its first alias, else its command. */
  name: string
  hostname: string
  network: string
  state: ServiceState
  /** `healthy`, `checking 6379/tcp`, `none`, or the reason why it is not healthy. */
  health: string
  /** Its holders: labels of clients, `session …`, `pin`. */
  clients: string[]
  aliases: string[]
  address: string | null
  /** For people: `6379/tcp`; and `127.0.0.1:49153->6379/tcp` for each of `hostPorts`. */
  ports: string[]
  /** Ports of the host that lead to it at the moment. */
  hostPorts: PortForward[]
  image: string
  args: string[]
  /** The time at which this state began. */
  since: number
  startedAt: number | null
  /** In grace: the time at which it will be stopped. */
  stopsAt: number | null
  exitCode: number | null
  error: string | null
}

/** A client container: a run that is under way or has ended. */
export interface RunRow {
  id: string
  label: string
  network: string
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'
  image: string
  args: string[]
  address: string | null
  /** From alias to hostname. */
  bindings: Record<string, string>
  callers: number
  /** `hostPorts` for people: `127.0.0.1:49153->8080/tcp`. */
  ports: string[]
  /** Ports of the host that lead to it at the moment. */
  hostPorts: PortForward[]
  startedAt: number
  endedAt: number | null
  exitCode: number | null
}

export interface NetworkRow {
  name: string
  subnet: string
  gateway: string
  /** Null if it has no IPv6. */
  subnet6: string | null
  gateway6: string | null
  isolation: 'network' | 'bindings'
  mtu: number
  namespace: string
  /** `yes`, or the reason why the host has no route to it. */
  hostRoute: 'yes' | string
  /** True if it stays until somebody removes it; otherwise it goes after its last use. */
  kept: boolean
  sandboxes: number
  pooled: number
  /** What is wrong with it at the moment, as sentences. */
  problems: string[]
}

export interface Problem {
  code: string
  message: string
  hint: string
}

export interface Status {
  apiVersion: typeof apiVersion
  version: string
  pid: number
  startedAt: number
  instance: string
  socket: string
  stateDirectory: string
  runtime: string
  networks: NetworkRow[]
  services: ServiceRow[]
  runs: number
  sessions: number
  problems: Problem[]
}

export interface ZoneRow {
  name: string
  type: 'A' | 'AAAA' | 'CNAME' | 'PTR'
  value: string
  network: string
  /** `zone`, or the address of the client whose view has this alias. */
  view: string
}

/** The fields of their definitions in which two runs or services differ; none if they are the same. */
export interface Explanation {
  /** The labels of the two. */
  a: string
  b: string
  differences: Difference[]
}

/** A field, with its value in each of the two; null where there is none. */
export interface Difference {
  field: string
  a: string | null
  b: string | null
}

export interface QueryAnswer {
  name: string
  type: string
  as: string | null
  status: string
  answers: { name: string; type: string; ttl: number; data: string }[]
  /** Where there is no such name: the reasons that can be seen, and how to ask instead. */
  hints: string[]
}

import type { CheckAnswer, ServiceCheck } from './health/index.ts'

/** How to run one service: handed in by whoever acquires it first. */
export interface ServiceDriver {
  /** The service's own name, which its key has too. */
  readonly label: string
  readonly hostname: string
  /** Carried through to the snapshots, untouched. */
  readonly describe: unknown
  /**
   * Starts it, with what it needs itself, its own services included. Until this resolves, whatever it acquired is its
   * own to release when it throws or when `signal` aborts, upon which it must end soon.
   */
  start(context: StartContext): Promise<ServiceProcess>
  /** Whether it may run on for its grace when nobody uses it; no where somebody waits for what it has. */
  mayLinger?(): boolean
}

export interface StartContext {
  /** Aborted when nobody waits any more, or on request. */
  readonly signal: AbortSignal
  /** What is being done, for those who wait. */
  report(detail: string): void
}

/** A service's process. */
export interface ServiceProcess {
  readonly address: string
  /** Resolves at its end, whatever ended it. */
  readonly exited: Promise<ServiceExit>
  /** One attempt at a health check; ends early when `signal` aborts. */
  probe(check: ServiceCheck, signal: AbortSignal): Promise<CheckAnswer>
  /** Sends a signal to the process, by name. */
  signal(name: string): Promise<void>
  /** Its last log lines. */
  tail(): Promise<string>
  /** After its end: lets go of everything it holds, its leases on other services included. */
  release(): Promise<void>
}

export interface ServiceExit {
  readonly code: number
  readonly signal: string | null
  /** What made it end, where that is known: the loss of a service that it uses. */
  readonly cause?: Error
}

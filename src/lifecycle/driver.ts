import type { CheckAnswer, ServiceCheck } from './health/index.ts'

/** Runs one service: handed in by whoever acquires it first. */
export interface ServiceDriver {
  /** The service's own name, which its key has too. */
  readonly label: string
  readonly hostname: string
  /** Returns its name for people. */
  nameFor?(alias: string | undefined): string
  /** Its image, for messages. */
  readonly image?: string
  /** Carried through to the snapshots, untouched. */
  readonly describe: unknown
  /**
   * Starts the process, and before it whatever that needs, its own services included. When it throws it has released
   * everything it had acquired. When `signal` aborts it must throw soon.
   */
  start(context: StartContext): Promise<ServiceProcess>
  /** Returns false where it must not run on for its grace, because somebody waits for what it has. */
  mayLinger?(): boolean
}

export interface StartContext {
  /** Aborted when nobody waits any more, or on request. */
  readonly signal: AbortSignal
  /** Tells the binders, in words, what is being done. */
  report(detail: string): void
}

/** The process of a service. */
export interface ServiceProcess {
  readonly address: string
  /** Resolves when it has exited, whatever ended it. */
  readonly exited: Promise<ServiceExit>
  /** Makes one attempt at a health check; ends early when `signal` aborts. */
  probe(check: ServiceCheck, signal: AbortSignal): Promise<CheckAnswer>
  /** Sends a signal to the process, by name. */
  signal(name: string): Promise<void>
  /** Reads its last log lines. */
  tail(): Promise<string>
  /** Lets go of everything it holds, its leases on other services included. To be called when it has exited. */
  release(): Promise<void>
}

export interface ServiceExit {
  readonly code: number
  readonly signal: string | null
  /** The reason of the exit, where that is known: the loss of a service that it uses. */
  readonly cause?: Error
}

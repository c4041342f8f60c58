import { withoutUndefined } from '../without-undefined.ts'
import { catalogue, type ErrorCode } from './catalogue.ts'
import { completeMessage } from './complete-message.ts'
import { causeText, type ErrorDetails, fillSentence } from './sentence.ts'

/** An error as it travels between daemon and client. */
export interface WireError {
  code: ErrorCode
  message: string
  hint: string
  details: ErrorDetails
  cause?: string
}

/**
 * Any failure that Moorage reports.
 *
 * @example
 * try { await container.stdout() } catch (error) {
 *   if (error instanceof MoorageError && error.code === 'IMAGE_NOT_FOUND') …
 * }
 */
export class MoorageError extends Error {
  override readonly name: string = 'MoorageError'
  readonly code: ErrorCode
  /** The names and numbers in the sentence, and what belongs to the kind of error: an exec's output, a service's log. */
  readonly details: ErrorDetails
  /** The failure in one sentence. The message of an error that a daemon sent goes on with what belongs to it. */
  readonly sentence: string

  constructor(
    code: ErrorCode,
    details: ErrorDetails = {},
    options: { cause?: unknown; message?: string; complete?: boolean } = {},
  ) {
    const { cause, message = fillSentence(catalogue[code].sentence, details), complete = false } = options
    super(
      complete ? completeMessage(message, details, hintOf(code, details)) : message,
      cause === undefined ? undefined : { cause },
    )
    this.sentence = message
    this.code = code
    this.details = details
  }

  /** Advice to the user on the next step. */
  get hint(): string {
    return hintOf(this.code, this.details)
  }

  /** HTTP status of the daemon's answer. */
  get status(): number {
    return catalogue[this.code].status
  }

  /** Exit code of the CLI. */
  get exitStatus(): number {
    return catalogue[this.code].exit
  }

  toJSON(): WireError {
    const { code, sentence: message, hint, details } = this
    const cause = this.cause === undefined ? undefined : causeText(this.cause)
    return withoutUndefined({ code, message, hint, details, cause })
  }
}

/**
 * A command that ended with a code that its `expect` does not allow, or (`OUT_OF_MEMORY`) that the kernel killed at its
 * memory limit. `stdout` and `stderr` are the last 64 KiB of each.
 */
export class ExecError extends MoorageError {
  override readonly name: string = 'ExecError'
  get args(): readonly string[] {
    return (this.details.args ?? []) as readonly string[]
  }
  get exitCode(): number {
    return Number(this.details.exitCode)
  }
  get stdout(): string {
    return String(this.details.stdout ?? '')
  }
  get stderr(): string {
    return String(this.details.stderr ?? '')
  }
}

/** A service that did not become healthy: it exited, or its checks did not pass in time. */
export class HealthError extends MoorageError {
  override readonly name: string = 'HealthError'
  /** The service's last log lines. */
  get log(): string {
    return String(this.details.log ?? '')
  }
}

const healthCodes: readonly ErrorCode[] = ['HEALTH_TIMEOUT', 'HEALTH_FAILED', 'SERVICE_EXITED']

/** Returns the advice on a failure: that which its case has, else that of its code. */
function hintOf(code: ErrorCode, details: ErrorDetails): string {
  const { advice } = details
  return typeof advice === 'string' ? advice : fillSentence(catalogue[code].hint, details)
}

/** Makes the kind of error that belongs to the code. */
export function moorageError(
  code: ErrorCode,
  details: ErrorDetails = {},
  options: { cause?: unknown; message?: string; complete?: boolean } = {},
): MoorageError {
  if (code === 'EXEC_FAILED' || code === 'OUT_OF_MEMORY') return new ExecError(code, details, options)
  if (healthCodes.includes(code)) return new HealthError(code, details, options)
  return new MoorageError(code, details, options)
}

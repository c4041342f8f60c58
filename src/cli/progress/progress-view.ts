import type { ProgressEvent } from '../../definition/index.ts'
import type { LogPrinter } from '../printing/log-printer.ts'

/** Shows the progress of a call and the output of its run. */
export interface ProgressView {
  /** Resolves when the reader has room for more, if it has to be waited for. */
  event(event: ProgressEvent): Promise<void> | void
  /** Resolves when the reader has room for more. */
  output: LogPrinter['write']
  /** Shows a line of ours beside all that. */
  note(line: string): void
  /** Shows the end; a second call does nothing. */
  end(outcome: { failed: boolean }): Promise<void>
}

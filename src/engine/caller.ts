import type { Readable } from 'node:stream'
import type { StreamEvent } from '../definition/index.ts'
import type { LogPiece } from './registry/log-piece.ts'

/** The one that asks: its interest ends with the signal, its events go to it alone. */
export interface Caller {
  readonly signal: AbortSignal
  readonly onEvent: (event: StreamEvent) => void
  /** Resolves when it can take more. Output waits for this, so that a slow reader does not fill the memory. */
  readonly drained?: () => Promise<void>
  /** Takes output as it stands in the log; where it is missing, output comes as events. */
  readonly onOutput?: (piece: LogPiece) => Promise<void>
  /** The standard input of the command that it asks for, as a stream; `inputUnwanted` tells that no more is read. */
  readonly input?: Readable
  /** Takes a piece of what a file or a directory holds; resolves when there is room for more. */
  readonly onData?: (piece: Buffer) => Promise<void>
}

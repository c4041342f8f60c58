/** A run's output in segment files: written by the launcher, read by everybody. */

export { type Piece, type ReadPiecesOptions, readPieces } from './follow-log.ts'
export { decodeFrames, type Frame, type LogStream } from './frame.ts'
export { tailLog } from './last-bytes.ts'
export { openSharedLog, type SharedLog } from './log-directory.ts'
export { framesOf, type ReadLogOptions, readLog, readStream } from './read-log.ts'
export { defaultLimit, type LogWriter, type LogWriterOptions, openLogWriter } from './write-log.ts'

/** A run's output in segment files: written by the launcher, read by everybody. */
export { decodeFrames, type Frame, type LogStream } from './frame.ts'
export { framesOf, type ReadLogOptions, readLog, readStream } from './read-log.ts'
export { type Piece, type ReadPiecesOptions, readPieces } from './read-pieces.ts'
export { openSharedLog, type SharedLog } from './shared-log.ts'
export { tailLog } from './tail-log.ts'
export { defaultLimit, type LogWriter, type LogWriterOptions, openLogWriter } from './write-log.ts'

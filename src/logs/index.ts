/** A run's output in segment files: written by the launcher, read by everybody. */
export type { Frame, LogStream } from './frame.ts'
export { type ReadLogOptions, readLog, readStream } from './read-log.ts'
export { tailLog } from './tail-log.ts'
export { defaultLimit, type LogWriter, type LogWriterOptions, openLogWriter } from './write-log.ts'

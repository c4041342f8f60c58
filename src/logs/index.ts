/** A run's output in segment files: written by the launcher, read by everybody. */
export type { Frame, LogStream } from './frame.ts'
export { type ReadLogOptions, readLog, readStream, tailLog } from './read-log.ts'
export { defaultLimit, type LogWriter, openLogWriter } from './write-log.ts'

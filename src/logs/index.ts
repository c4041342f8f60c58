/** A run's output in segment files: written by the launcher, read and followed by everybody. */
export { type FollowLogOptions, followLog, type LogSlice } from './follow-log.ts'
export { decodeFrames, type Frame, type LogStream } from './frame.ts'
export { type KeepStreamsOptions, keepStreams } from './keep-streams.ts'
export { lastBytes } from './last-bytes.ts'
export { type LogDirectory, openLogDirectory } from './log-directory.ts'
export { readLog, readStream } from './read-log.ts'
export { defaultLimit, type LogWriter, type LogWriterOptions, openLogWriter } from './write-log.ts'

export { checkEverything, type Probe } from '../engine/index.ts'
export { type Daemon, type DaemonOptions, runDaemon } from './daemon.ts'

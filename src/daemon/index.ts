export { type Daemon, type DaemonOptions, runDaemon } from './daemon.ts'
export { checkEverything, type Probe } from '../engine/index.ts'

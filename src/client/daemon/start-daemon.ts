import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, extname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorFromWire, MoorageError, type WireError } from '../../errors/index.ts'
import { makeChosenDirectory } from '../../make-directory.ts'
import { cancellation } from '../cancellation.ts'
import { unreachable } from '../wire/daemon-errors.ts'
import { lockStart } from './start-lock.ts'

/** `--idle-exit` of a daemon that is started: it stays so long after its last work. */
const idleExit = '10s'
/** The longest time of a start in milliseconds; the removal of a crash's leftovers takes most of it. */
const startTimeout = 30_000
/** The longest time in milliseconds that a leaving daemon holds its state directory after its socket has gone. */
const leavingTimeout = 5_000
/** In milliseconds. */
const pollInterval = 15

export interface StartDaemonOptions {
  socket: string
  stateDirectory?: string | undefined
  /** The command that is run instead of this package's CLI, for tests. */
  command?: readonly string[] | undefined
  signal?: AbortSignal | undefined
  /** In milliseconds, for tests. */
  timeouts?: { start?: number; leaving?: number }
}

/**
 * True when a daemon accepts connections on a unix socket.
 *
 * @throws MoorageError DAEMON_UNREACHABLE when this process has no permission to connect
 */
export function isDaemonThere(socket: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EACCES') reject(unreachable(`unix://${socket}`, error))
      // EAGAIN: so many connect at once that the daemon's backlog is full. It is there.
      else resolve(error.code === 'EAGAIN')
    })
  })
}

/**
 * Makes sure that a daemon answers on the socket. Of any number of processes that find none, the one that has the start
 * lock starts it.
 *
 * @throws MoorageError NOT_ROOT, INVALID_OPTION, DAEMON_START_FAILED, CANCELLED, and the error of a daemon that could not
 * start
 */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const { socket, signal, timeouts: { start = startTimeout } = {} } = options
  const directory = dirname(socket)
  if (process.platform !== 'linux') {
    const reason = `moorage needs Linux with glibc, and this is ${process.platform}; set MOORAGE_HOST to a daemon in a virtual machine`
    throw new MoorageError('HOST_UNSUPPORTED', { reason })
  }
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) throw new MoorageError('NOT_ROOT', { what: 'starting a daemon', uid })
  await makeChosenDirectory(`the daemon’s socket ${socket}`, directory, 0o755)
  const deadline = performance.now() + start
  try {
    while (performance.now() < deadline) {
      using lock = await lockStart(join(directory, 'start.lock.db'))
      // The process that had the lock before may have started one.
      if (await isDaemonThere(socket)) return
      if (lock) return await launchAfterLast(options, deadline)
      await sleep(pollInterval, undefined, { signal })
    }
  } catch (error) {
    throw signal?.aborted ? cancellation(signal) : error
  }
  throw startTimedOut(start, join(directory, logName))
}

const logName = 'daemon.log'

/** Launches a daemon. One that is leaving has closed its socket but still holds the state directory: wait for its end. */
async function launchAfterLast(options: StartDaemonOptions, deadline: number): Promise<void> {
  const { signal, timeouts: { leaving = leavingTimeout } = {} } = options
  const giveUpAt = Math.min(performance.now() + leaving, deadline)
  for (;;) {
    try {
      return await launch(options, deadline)
    } catch (error) {
      if (!(error instanceof MoorageError && error.code === 'STATE_LOCKED')) throw error
      const pid = Number(error.details.pid)
      do {
        if (performance.now() > giveUpAt) throw error
        await sleep(pollInterval, undefined, { signal })
      } while (isAlive(pid))
    }
  }
}

async function launch(options: StartDaemonOptions, deadline: number): Promise<void> {
  const { socket, signal, command = daemonCommand(), timeouts: { start = startTimeout } = {} } = options
  const directory = dirname(socket)
  const [program = '', ...args] = command
  const logPath = join(directory, logName)
  const { log, begin } = openLog(logPath)
  const child = spawn(program, [...args, '--listen', `unix://${socket}`, '--idle-exit', idleExit], {
    // The daemon outlives this process, and must not keep its working directory busy.
    detached: true,
    cwd: '/',
    stdio: ['ignore', 'ignore', log],
    env: { ...process.env, MOORAGE_RUNTIME_DIR: directory, ...stateEnvironment(options.stateDirectory) },
  })
  closeSync(log)
  let ended: string | undefined
  child.on('error', (error) => {
    ended = error.message
  })
  child.on('exit', (code, killer) => {
    ended = `it ended with ${killer ?? `code ${code}`}`
  })
  try {
    while (performance.now() < deadline) {
      if (await isDaemonThere(socket)) return
      if (ended !== undefined) throw startFailure(logPath, begin, ended)
      await sleep(pollInterval, undefined, { signal })
    }
    throw startTimedOut(start, logPath)
  } finally {
    // The daemon goes on starting for the next caller, or leaves by itself.
    child.removeAllListeners()
    child.on('error', () => undefined)
    child.unref()
  }
}

/** Above this many bytes the log is put aside at the next start, in place of the one before. */
const longestLog = 4 * 1024 * 1024

/** Opens the log behind what earlier daemons wrote: the trace of a crash must outlive the next start. */
function openLog(path: string): { log: number; begin: number } {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > longestLog) renameSync(path, `${path}.1`)
  const log = openSync(path, 'a', 0o600)
  return { log, begin: fstatSync(log).size }
}

function stateEnvironment(stateDirectory = process.env.MOORAGE_STATE_DIR): Record<string, string> {
  return stateDirectory === undefined ? {} : { MOORAGE_STATE_DIR: resolve(stateDirectory) }
}

function daemonCommand(): string[] {
  const main = join(import.meta.dirname, `../../cli/main${extname(import.meta.filename)}`)
  return [process.execPath, main, 'daemon']
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    // The process has gone, or its pid is unknown: the next launch will tell.
    return false
  }
}

function startTimedOut(timeout: number, logPath: string): MoorageError {
  return new MoorageError('DAEMON_START_FAILED', {
    reason: `not within ${timeout / 1_000} s; see ${logPath}`,
  })
}

/** Builds the error of a failed start: the last line of the daemon's log is the reason as JSON, if it could write one. */
function startFailure(logPath: string, begin: number, ended: string): MoorageError {
  const lines = readFileSync(logPath).subarray(begin).toString().trim().split('\n')
  const error = wireErrorOf(lines.at(-1) ?? '')
  if (error) return errorFromWire(error, { complete: true })
  return new MoorageError('DAEMON_START_FAILED', { reason: [ended, ...lines.slice(-5)].join('\n').trim() })
}

function wireErrorOf(line: string): WireError | undefined {
  try {
    const { error } = JSON.parse(line) as { error?: WireError }
    return typeof error?.code === 'string' ? error : undefined
  } catch {
    return undefined
  }
}

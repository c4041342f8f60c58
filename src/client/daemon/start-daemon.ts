import { spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, extname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorFromWire, MoorageError, type WireError } from '../../errors/index.ts'
import { makeChosenDirectory } from '../../make-directory.ts'
import { cancellation } from '../cancellation.ts'
import { unreachable } from '../wire/transport.ts'
import { lockStart } from './start-lock.ts'

/** How long a daemon so started stays after the last that went on. */
const idleExit = '10s'
/** How long a start may take, in milliseconds; the longest of it is the removal of what a crash left. */
const startTimeout = 30_000
/** How long a daemon that leaves may hold its state directory after its socket has gone. */
const leavingTimeout = 5_000
const pollInterval = 15

export interface StartDaemonOptions {
  socket: string
  stateDirectory?: string | undefined
  /** What to run instead of this package's CLI; the tests' way in. */
  command?: readonly string[] | undefined
  signal?: AbortSignal | undefined
  /** In milliseconds; the tests' way to a short one. */
  timeouts?: { start?: number; leaving?: number }
}

/**
 * Whether somebody answers on a unix socket.
 *
 * @throws MoorageError DAEMON_UNREACHABLE when it may not be asked
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
      // EAGAIN: so many connect at once that its backlog is full. It is there.
      else resolve(error.code === 'EAGAIN')
    })
  })
}

/**
 * Makes sure that a daemon answers on the socket. Of any number of processes that find none, one starts it, the one
 * that has the start lock.
 *
 * @throws MoorageError NOT_ROOT, INVALID_OPTION, DAEMON_START_FAILED, CANCELLED, and what a daemon gives as the reason of its failed start
 */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const { socket, signal, timeouts: { start = startTimeout } = {} } = options
  const directory = dirname(socket)
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) throw new MoorageError('NOT_ROOT', { what: 'starting a daemon', uid })
  await makeChosenDirectory(`the daemon’s socket ${socket}`, directory, 0o755)
  const deadline = performance.now() + start
  try {
    while (performance.now() < deadline) {
      using lock = await lockStart(join(directory, 'start.lock.db'))
      // Whoever had the lock before may have started it.
      if (await isDaemonThere(socket)) return
      if (lock) return await launchPatiently(options, deadline)
      await sleep(pollInterval, undefined, { signal })
    }
  } catch (error) {
    throw signal?.aborted ? cancellation(signal) : error
  }
  throw late(start, join(directory, logName))
}

const logName = 'daemon.log'

/** A daemon that leaves has no socket any more, but still has its state directory: then it is waited for. */
async function launchPatiently(options: StartDaemonOptions, deadline: number): Promise<void> {
  const { signal, timeouts: { leaving = leavingTimeout } = {} } = options
  const patience = Math.min(performance.now() + leaving, deadline)
  for (;;) {
    try {
      return await launch(options, deadline)
    } catch (error) {
      if (!(error instanceof MoorageError && error.code === 'STATE_LOCKED')) throw error
      const pid = Number(error.details.pid)
      do {
        if (performance.now() > patience) throw error
        await sleep(pollInterval, undefined, { signal })
      } while (lives(pid))
    }
  }
}

async function launch(options: StartDaemonOptions, deadline: number): Promise<void> {
  const { socket, signal, command = daemonCommand(), timeouts: { start = startTimeout } = {} } = options
  const directory = dirname(socket)
  const [program = '', ...args] = command
  const logPath = join(directory, logName)
  const log = openSync(logPath, 'w', 0o600)
  const child = spawn(program, [...args, '--listen', `unix://${socket}`, '--idle-exit', idleExit], {
    // It outlives us, and must neither hold nor miss the directory that we happen to be in.
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
      if (ended !== undefined) throw startFailure(logPath, ended)
      await sleep(pollInterval, undefined, { signal })
    }
    throw late(start, logPath)
  } finally {
    // It goes on starting for whoever comes next, or leaves by itself.
    child.removeAllListeners()
    child.on('error', () => undefined)
    child.unref()
  }
}

function stateEnvironment(stateDirectory = process.env.MOORAGE_STATE_DIR): Record<string, string> {
  return stateDirectory === undefined ? {} : { MOORAGE_STATE_DIR: resolve(stateDirectory) }
}

function daemonCommand(): string[] {
  const main = join(import.meta.dirname, `../../cli/main${extname(import.meta.filename)}`)
  return [process.execPath, main, 'daemon']
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    // It has gone, or its number was not known: then asking again is all there is.
    return false
  }
}

function late(timeout: number, logPath: string): MoorageError {
  return new MoorageError('DAEMON_START_FAILED', {
    reason: `not within ${timeout / 1_000} s; see ${logPath}`,
  })
}

/** A daemon that cannot start says why as JSON, in the last line of its log. */
function startFailure(logPath: string, ended: string): MoorageError {
  const lines = readFileSync(logPath, 'utf8').trim().split('\n')
  const error = wireErrorOf(lines.at(-1) ?? '')
  if (error) return errorFromWire(error)
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

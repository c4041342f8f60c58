import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { errorFromWire, MoorageError, type WireError } from '../errors.ts'

/** How long a daemon so started stays after the last that went on. */
const idleExit = '10s'
/** How long a start may take; the longest of it is the removal of what a crash left. */
const startTimeout = 30_000
const pollInterval = 15

export interface StartDaemonOptions {
  socket: string
  stateDirectory?: string | undefined
  /** What to run instead of this package's CLI; the tests' way in. */
  command?: readonly string[]
  signal?: AbortSignal | undefined
}

/** Whether somebody answers on a unix socket. */
export function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

/**
 * Makes sure that a daemon answers on the socket. Of any number of processes that find none, one starts it: the one
 * that has the start lock, an open SQLite transaction, which the kernel ends with its process.
 *
 * @throws MoorageError NOT_ROOT, DAEMON_START_FAILED, and what a daemon gives as the reason of its failed start
 */
export async function startDaemon(options: StartDaemonOptions): Promise<void> {
  const { socket, signal } = options
  const directory = dirname(socket)
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) throw new MoorageError('NOT_ROOT', { what: 'starting a daemon', uid })
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const deadline = performance.now() + startTimeout
  while (performance.now() < deadline) {
    signal?.throwIfAborted()
    const lock = tryLock(join(directory, 'start.lock.db'))
    if (lock) {
      try {
        // Whoever had the lock before may have started it.
        if (!(await answers(socket))) await launch(options, directory, deadline)
        return
      } finally {
        lock.close()
      }
    }
    if (await answers(socket)) return
    await sleep(pollInterval)
  }
  throw new MoorageError('DAEMON_START_FAILED', { reason: `not within ${startTimeout / 1_000} s` })
}

function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
    return database
  } catch (error) {
    database.close()
    if ((error as { errcode?: number }).errcode === 5) return undefined
    throw error
  }
}

async function launch(options: StartDaemonOptions, directory: string, deadline: number): Promise<void> {
  const { socket, stateDirectory, command = daemonCommand() } = options
  const [program = '', ...args] = command
  const logPath = join(directory, 'daemon.log')
  const log = openSync(logPath, 'w', 0o600)
  const child = spawn(program, [...args, '--listen', `unix://${socket}`, '--idle-exit', idleExit], {
    detached: true,
    stdio: ['ignore', 'ignore', log],
    env: {
      ...process.env,
      MOORAGE_RUNTIME_DIR: directory,
      ...(stateDirectory === undefined ? {} : { MOORAGE_STATE_DIR: stateDirectory }),
    },
  })
  closeSync(log)
  let ended: string | undefined
  child.on('error', (error) => {
    ended = error.message
  })
  child.on('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `code ${code}`}`
  })
  try {
    while (performance.now() < deadline) {
      if (await answers(socket)) return
      if (ended !== undefined) throw startFailure(logPath, ended)
      await sleep(pollInterval)
    }
    throw new MoorageError('DAEMON_START_FAILED', {
      reason: `not within ${startTimeout / 1_000} s; see ${logPath}`,
    })
  } finally {
    child.removeAllListeners()
    child.unref()
  }
}

function daemonCommand(): string[] {
  const main = import.meta.url.endsWith('.ts') ? '../cli/main.ts' : '../cli/main.js'
  return [process.execPath, fileURLToPath(new URL(main, import.meta.url)), 'daemon']
}

/** A daemon that cannot start says why as JSON, in the last line of its log. */
function startFailure(logPath: string, ended: string): MoorageError {
  const lines = readFileSync(logPath, 'utf8').trim().split('\n')
  try {
    const { error } = JSON.parse(lines.at(-1) ?? '') as { error: WireError }
    return errorFromWire(error)
  } catch {
    return new MoorageError('DAEMON_START_FAILED', { reason: [ended, ...lines.slice(-5)].join('\n') })
  }
}

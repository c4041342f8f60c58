import { type Command, Option } from 'commander'
import type { Daemon, DaemonOptions } from '../../daemon/index.ts'
import { bytesOf, milliseconds } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { action, type CommandContext } from '../command-action.ts'
import { firstSignal } from '../first-signal.ts'
import type { GlobalOptions } from '../global-options.ts'
import { isolationOf } from '../options/isolation.ts'

interface DaemonFlags {
  listen?: string
  stateDir?: string
  runtimeDir?: string
  runtime?: string
  subnet?: string
  ipv6?: boolean
  isolation?: string
  grace?: string
  idleExit?: string
  maxRuns?: string
  logLimit?: string
  metrics?: string
}

/** `moorage daemon`: runs until it is told to stop, or with `--idle-exit` until nothing goes on. */
export function configure(command: Command): void {
  command
    .option('--listen <URL>', 'unix:///path of its socket (default: moorage.sock in the run-time directory)')
    .option('--state-dir <PATH>', 'what is kept (MOORAGE_STATE_DIR, /var/lib/moorage)')
    .option('--runtime-dir <PATH>', 'run-time files (MOORAGE_RUNTIME_DIR, /run/moorage)')
    .option('--runtime <NAME>', 'oci')
    .option('--subnet <CIDR>', 'of the network "default"; a free one is chosen otherwise')
    .option(
      '--isolation <WHAT>',
      'who reaches a service: all of its "network" (so unless said), or "bindings"',
    )
    .option('--ipv6', 'IPv6 beside IPv4 in its networks')
    .option('--grace <DURATION>', 'how long services run on after their last use, unless they say (10s)')
    .option('--idle-exit <DURATION>', 'leave when nothing went on for so long')
    .option('--max-runs <N>', 'how many commands run at the same time, services not counted (256)')
    .option('--log-limit <SIZE>', 'how much is kept of what a run writes, its beginning and its end (64m)')
    .addOption(new Option('--metrics <ADDRESS>', 'not in this version').hideHelp())
    .action(action(daemon, { ownSignals: true }))
}

async function daemon(
  { global, terminal }: CommandContext,
  _operands: readonly never[],
  flags: DaemonFlags,
): Promise<void> {
  const interrupted = firstSignal()
  const running = await startDaemon(global, flags)
  if (terminal.json) await terminal.document({ pid: process.pid, socket: running.socket }, { line: true })
  else if (process.stderr.isTTY)
    terminal.talk(`moorage: the daemon listens on ${running.socket}; Ctrl-C stops it`)
  void interrupted.then((signal) => running.stop(signal)).catch(() => undefined)
  await running.stopped
}

/** Starts the daemon. If stderr is no terminal, a failure ends it with a line of JSON, which `connect()` reads. */
async function startDaemon(global: GlobalOptions, flags: DaemonFlags): Promise<Daemon> {
  try {
    const options = optionsOf(global, flags)
    const { runDaemon } = await import('../../daemon/index.ts')
    return await runDaemon(options)
  } catch (error) {
    // This line must come after the report for people, which is written when this has thrown.
    if (!process.stderr.isTTY) process.once('exit', () => printErrorLine(error))
    throw error
  }
}

function printErrorLine(error: unknown): void {
  const { code, message, hint, details } = asMoorageError(error).toJSON()
  process.stderr.write(`${JSON.stringify({ error: { code, message, hint, details } })}\n`)
}

function optionsOf(global: GlobalOptions, flags: DaemonFlags): DaemonOptions {
  const { runtime = 'oci' } = flags
  if (runtime === 'docker') throw new MoorageError('NOT_YET', { what: '--runtime docker' })
  if (runtime !== 'oci') {
    throw new MoorageError('INVALID_OPTION', { option: '--runtime', reason: `"${runtime}" is not oci` })
  }
  if (flags.metrics !== undefined)
    throw new MoorageError('NOT_YET', { what: 'the metrics endpoint (--metrics)' })
  const listen = flags.listen ?? global.host
  const logLevel = global.verbose ? 'debug' : global.quiet ? 'warn' : undefined
  return {
    runtime,
    isolation: isolationOf(flags.isolation ?? 'network'),
    ...withoutUndefined({
      ipv6: flags.ipv6,
      listen,
      stateDirectory: flags.stateDir,
      runtimeDirectory: flags.runtimeDir,
      subnet: flags.subnet,
      grace: read(flags.grace, (text) => milliseconds(text, '--grace')),
      idleExit: read(flags.idleExit, (text) => milliseconds(text, '--idle-exit')),
      maxRuns: read(flags.maxRuns, (text) => wholeNumber('--max-runs', text)),
      logLimit: read(flags.logLimit, logLimitOf),
      logLevel,
    }),
  }
}

/** Reads the value of an option, if it was given. */
function read<T>(text: string | undefined, reader: (text: string) => T): T | undefined {
  return text === undefined ? undefined : reader(text)
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number from 1 on` })
}

/** Bytes of the smallest limit: less would be cut into files that are too small. */
const leastLog = 1024 * 1024

function logLimitOf(text: string): number {
  const bytes = bytesOf(text)
  if (bytes !== undefined && bytes >= leastLog) return bytes
  const reason = bytes === undefined ? `"${text}" is not a size, such as 64m` : `${text} is less than 1m`
  throw new MoorageError('INVALID_OPTION', { option: '--log-limit', reason })
}

import { constants } from 'node:os'
import { type Command, Option } from 'commander'
import type { Daemon, DaemonOptions } from '../../daemon/index.ts'
import { bytesOf, milliseconds } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import { action, type CommandContext, type GlobalOptions } from '../command-action.ts'

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
  const interrupted = Promise.withResolvers<NodeJS.Signals>()
  let signals = 0
  const onSignal = (signal: NodeJS.Signals) => {
    signals += 1
    // In order is what the first one asks for; whoever sends a second does not want to wait for that.
    if (signals > 1) process.exit(128 + constants.signals[signal])
    interrupted.resolve(signal)
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)

  const running = await startDaemon(global, flags)
  if (terminal.json) terminal.document({ pid: process.pid, socket: running.socket }, { line: true })
  else if (process.stderr.isTTY)
    terminal.talk(`moorage: the daemon listens on ${running.socket}; Ctrl-C stops it`)
  void interrupted.promise.then((signal) => running.stop(signal)).catch(() => undefined)
  await running.stopped
}

/** A failed start ends stderr with a line of JSON where no person reads it: `connect()` does. */
async function startDaemon(global: GlobalOptions, flags: DaemonFlags): Promise<Daemon> {
  try {
    const options = optionsOf(global, flags)
    const { runDaemon } = await import('../../daemon/index.ts')
    return await runDaemon(options)
  } catch (error) {
    // The report for people is written once this has thrown; this is to come after it.
    if (!process.stderr.isTTY) process.once('exit', () => lastWords(error))
    throw error
  }
}

function lastWords(error: unknown): void {
  const { code, message, hint, details } = asMoorageError(error).toJSON()
  process.stderr.write(`${JSON.stringify({ error: { code, message, hint, details } })}\n`)
}

function optionsOf(global: GlobalOptions, flags: DaemonFlags): DaemonOptions {
  const { runtime = 'oci', isolation = 'network' } = flags
  if (runtime !== 'oci') throw unsupported('--runtime', runtime, ['docker'], 'oci')
  if (isolation !== 'network' && isolation !== 'bindings') {
    throw unsupported('--isolation', isolation, [], 'network or bindings')
  }
  if (flags.metrics !== undefined)
    throw new MoorageError('NOT_YET', { what: 'the metrics endpoint (--metrics)' })
  const listen = flags.listen ?? global.host
  const logLevel = global.verbose ? 'debug' : global.quiet ? 'warn' : undefined
  return {
    runtime,
    isolation,
    ...(flags.ipv6 ? { ipv6: true } : {}),
    ...(listen === undefined ? {} : { listen }),
    ...(flags.stateDir === undefined ? {} : { stateDirectory: flags.stateDir }),
    ...(flags.runtimeDir === undefined ? {} : { runtimeDirectory: flags.runtimeDir }),
    ...(flags.subnet === undefined ? {} : { subnet: flags.subnet }),
    ...(flags.grace === undefined ? {} : { grace: milliseconds(flags.grace, '--grace') }),
    ...(flags.idleExit === undefined ? {} : { idleExit: milliseconds(flags.idleExit, '--idle-exit') }),
    ...(flags.maxRuns === undefined ? {} : { maxRuns: wholeNumber('--max-runs', flags.maxRuns) }),
    ...(flags.logLimit === undefined ? {} : { logLimit: logLimitOf(flags.logLimit) }),
    ...(logLevel === undefined ? {} : { logLevel }),
  }
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= 1) return number
  throw new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not a number from 1 on` })
}

/** Less would be cut into files too small to be worth it. */
const leastLog = 1024 * 1024

function logLimitOf(text: string): number {
  const bytes = bytesOf(text)
  if (bytes !== undefined && bytes >= leastLog) return bytes
  const reason = bytes === undefined ? `"${text}" is not a size, such as 64m` : `${text} is less than 1m`
  throw new MoorageError('INVALID_OPTION', { option: '--log-limit', reason })
}

function unsupported(option: string, value: string, later: readonly string[], now: string): MoorageError {
  if (later.includes(value)) return new MoorageError('NOT_YET', { what: `${option} ${value}` })
  return new MoorageError('INVALID_OPTION', { option, reason: `"${value}" is not ${now}` })
}

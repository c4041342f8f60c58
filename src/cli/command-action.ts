import { type Command, Option } from 'commander'
import type { MoorageError } from '../errors/index.ts'
import { reportFailure } from './report-failure.ts'
import { createTerminal, type Terminal } from './terminal.ts'

/** What every command takes. */
export interface GlobalOptions {
  host?: string
  network?: string
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  color?: boolean
}

/** What a command works with: its global options, flags before the environment, and where it writes. */
export interface CommandContext {
  readonly global: GlobalOptions
  readonly terminal: Terminal
}

const globalFlags = [
  ['--host <URL>', 'the daemon, unix:///path or http://host:port (MOORAGE_HOST)'],
  ['--network <NAME>', 'the network that names belong to (MOORAGE_NETWORK)'],
  ['--json', 'answer with a JSON document; with lines of JSON when following'],
  ['-q, --quiet', 'nothing on stderr but errors; only IDs where rows are listed'],
  ['--verbose', 'tell more on stderr'],
  ['--no-color', 'no colours (NO_COLOR)'],
] as const

/** Adds what every command takes; it may stand before the command's name, too. */
export function addGlobalOptions(command: Command): Command {
  for (const [flags, description] of globalFlags) {
    command.addOption(new Option(flags, description).helpGroup('Options of every command:'))
  }
  return command
}

/** A command's work. It returns the exit code, 0 if nothing. */
export type Work<Operands extends readonly unknown[], Options> = (
  context: CommandContext,
  operands: Operands,
  options: Options,
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands have nothing to return
) => Promise<number | void>

export interface ActionOptions {
  /** The exit code of a failure, where it is not the catalogue's. */
  exitCodeOf?: (error: MoorageError) => number
  /** The command deals with SIGINT and SIGTERM itself. */
  ownSignals?: boolean
}

/** Wraps a command's work as commander's action: context before it, errors and exit code after it. */
export function action<Operands extends readonly unknown[], Options>(
  work: Work<Operands, Options>,
  { exitCodeOf, ownSignals = false }: ActionOptions = {},
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const options = given.at(-2) as Options
    const global = globalOptionsOf(command)
    const terminal = createTerminal(global)
    if (!ownSignals) endAtOnce()
    try {
      // commander has checked them against the command's arguments.
      const operands = given.slice(0, -2) as readonly unknown[] as Operands
      process.exitCode = (await work({ global, terminal }, operands, options)) ?? 0
    } catch (error) {
      process.exitCode = reportFailure(error, terminal, exitCodeOf)
    }
  }
}

/** The command's own come before those that stand before its name, and those before the environment. */
function globalOptionsOf(command: Command): GlobalOptions {
  const merged: GlobalOptions = {}
  let color = true
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const { host, network, json, quiet, verbose, ...others } = at.opts<GlobalOptions>()
    const named = { host, network, json, quiet, verbose }
    for (const [name, value] of Object.entries(named)) {
      if (value !== undefined && !(name in merged)) Object.assign(merged, { [name]: value })
    }
    color &&= others.color !== false
  }
  const { MOORAGE_HOST, MOORAGE_NETWORK } = process.env
  if (merged.host === undefined && MOORAGE_HOST) merged.host = MOORAGE_HOST
  if (merged.network === undefined && MOORAGE_NETWORK) merged.network = MOORAGE_NETWORK
  return { ...merged, color }
}

/** The daemon sees the connection close, which is the end of this caller's interest; there is nothing to wait for. */
function endAtOnce(): void {
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
}

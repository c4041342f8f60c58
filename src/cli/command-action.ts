import type { Command } from 'commander'
import type { MoorageError } from '../errors/index.ts'
import { type GlobalOptions, globalOptionsOf } from './global-options.ts'
import { reportFailure } from './report-failure.ts'
import { setUnwritableExitCode } from './standard-streams.ts'
import { createTerminal, type Terminal } from './terminal.ts'

/** The surroundings of a command's work, besides its operands and options. */
export interface CommandContext {
  readonly global: GlobalOptions
  readonly terminal: Terminal
}

/** A command's work. It returns the exit code; nothing is 0. */
export type Work<Operands extends readonly unknown[], Options> = (
  context: CommandContext,
  operands: Operands,
  options: Options,
  // biome-ignore lint/suspicious/noConfusingVoidType: most commands have nothing to return
) => Promise<number | void>

interface ActionOptions {
  /** Returns the exit code of a failure, if it is not the catalogue's. */
  exitCodeOf?: (error: MoorageError) => number
  /** The command handles SIGINT and SIGTERM itself. */
  ownSignals?: boolean
}

/** Wraps a command's work as commander's action: context before it, errors and exit code after it. */
export function action<Operands extends readonly unknown[], Options>(
  work: Work<Operands, Options>,
  { exitCodeOf, ownSignals = false }: ActionOptions = {},
): (...parameters: unknown[]) => Promise<void> {
  return async (...parameters) => {
    const command = parameters.at(-1) as Command
    const options = parameters.at(-2) as Options
    const global = globalOptionsOf(command)
    const terminal = createTerminal(global)
    if (!ownSignals) exitOnSignals()
    if (exitCodeOf) setUnwritableExitCode(exitCodeOf)
    try {
      // commander has checked them against the command's arguments.
      const operands = parameters.slice(0, -2) as readonly unknown[] as Operands
      process.exitCode = (await work({ global, terminal }, operands, options)) ?? 0
    } catch (error) {
      process.exitCode = reportFailure(error, terminal, exitCodeOf)
    }
  }
}

/** The daemon sees the connection close, which ends this caller's interest; there is nothing to wait for. */
function exitOnSignals(): void {
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
}

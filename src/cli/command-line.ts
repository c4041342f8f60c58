import { Command, CommanderError } from 'commander'
import { MoorageError } from '../errors/index.ts'
import { packageVersion } from '../package.ts'
import { commands } from './command-list.ts'
import { addGlobalOptions } from './global-options.ts'
import { checkArgumentBytes } from './options/raw-text.ts'
import { reportFailure } from './report-failure.ts'
import { watchStandardStreams, writeData } from './standard-streams.ts'
import { createTerminal } from './terminal.ts'

/**
 * Runs one command line, without the program's name. Only the command that is called is loaded, so that `moorage --help`
 * and `moorage status` pay for nothing that they do not use.
 *
 * @returns the exit code (docs/cli.md)
 */
export async function runCommandLine(args: readonly string[]): Promise<number> {
  watchStandardStreams()
  try {
    checkArgumentBytes(args)
    await createProgram().parseAsync(helpAsOption(args), { from: 'user' })
    return Number(process.exitCode ?? 0)
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    // `moorage` alone shows the help, but does nothing.
    if (error instanceof CommanderError && error.code === 'commander.help') return 2
    const failure =
      error instanceof CommanderError ? new MoorageError('USAGE', { reason: reasonOf(error) }) : error
    return reportFailure(failure, createTerminal({ json: args.includes('--json') }))
  }
}

function createProgram(): Command {
  const program = addGlobalOptions(new Command('moorage'))
    .description(
      'Service containers, started just in time, once for everybody, under names that never change.',
    )
    .usage('[options] COMMAND')
    .version(packageVersion, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      outputError: () => undefined,
      writeOut: (text) => void writeData(process.stdout, text),
    })
    .addHelpText('after', '\nmoorage COMMAND --help tells more; docs/cli.md tells all.')
  for (const { name, summary } of commands) {
    program.addCommand(new Command(name).summary(summary).description(summary).copyInheritedSettings(program))
  }
  program.hook('preSubcommand', async (_program, command) => {
    const entry = commands.find(({ name }) => name === command.name())
    if (entry === undefined) return
    const { configure } = await entry.load()
    configure(command)
    addGlobalOptions(command)
  })
  return program
}

/** Turns `help COMMAND` into `COMMAND --help`: commander's own `help` would show a command that is not loaded. */
function helpAsOption(args: readonly string[]): string[] {
  return args[0] === 'help' ? [...args.slice(1), '--help'] : [...args]
}

/** Returns commander's `error: unknown command 'x'\n(Did you mean y?)` in one line. */
function reasonOf({ message }: CommanderError): string {
  return message.replace(/^error: /, '').replaceAll('\n', ' ')
}

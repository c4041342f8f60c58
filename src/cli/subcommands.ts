import { Command } from 'commander'
import { addGlobalOptions } from './global-options.ts'

/** A command of a command: `network ls`. */
interface Subcommand {
  readonly name: string
  readonly summary: string
  /** Adds its arguments, options and action. */
  configure(command: Command): void
}

export function addSubcommands(command: Command, subcommands: readonly Subcommand[]): void {
  command.helpCommand(false)
  for (const { name, summary, configure } of subcommands) {
    const subcommand = new Command(name).summary(summary).description(summary).copyInheritedSettings(command)
    configure(subcommand)
    command.addCommand(addGlobalOptions(subcommand))
  }
}

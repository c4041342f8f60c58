import { Command } from 'commander'
import { addGlobalOptions } from '../command-action.ts'
import { configure as configureCreate } from './network-create.ts'
import { configure as configureInspect } from './network-inspect.ts'
import { configure as configureList } from './network-ls.ts'
import { configure as configureRemove } from './network-rm.ts'

/** `moorage network`: the networks that services and runs are in. */
export function configure(command: Command): void {
  command.helpCommand(false)
  const parts = [
    { name: 'create', summary: 'make a network that stays', configurePart: configureCreate },
    { name: 'ls', summary: 'every network there is', configurePart: configureList },
    { name: 'inspect', summary: 'everything about a network, as JSON', configurePart: configureInspect },
    { name: 'rm', summary: 'remove networks', configurePart: configureRemove },
  ]
  for (const { name, summary, configurePart } of parts) {
    const part = new Command(name).summary(summary).description(summary).copyInheritedSettings(command)
    configurePart(part)
    command.addCommand(addGlobalOptions(part))
  }
}

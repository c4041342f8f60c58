import type { Command } from 'commander'
import { addSubcommands } from '../subcommands.ts'
import { configure as configureCreate } from './network-create.ts'
import { configure as configureInspect } from './network-inspect.ts'
import { configure as configureList } from './network-ls.ts'
import { configure as configureRemove } from './network-rm.ts'

/** `moorage network`: the networks that services and runs are in. */
export function configure(command: Command): void {
  addSubcommands(command, [
    { name: 'create', summary: 'make a network that stays', configure: configureCreate },
    { name: 'ls', summary: 'every network there is', configure: configureList },
    { name: 'inspect', summary: 'everything about a network, as JSON', configure: configureInspect },
    { name: 'rm', summary: 'remove networks', configure: configureRemove },
  ])
}

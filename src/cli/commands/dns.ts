import type { Command } from 'commander'
import { addSubcommands } from '../subcommands.ts'
import { configure as configureQuery } from './dns-query.ts'
import { configure as configureServe } from './dns-serve.ts'
import { configure as configureZone } from './dns-zone.ts'

/** `moorage dns`: the names, as clients see them. */
export function configure(command: Command): void {
  addSubcommands(command, [
    { name: 'query', summary: 'what a client would get for a name', configure: configureQuery },
    { name: 'serve', summary: 'a DNS server alone, without the daemon', configure: configureServe },
    { name: 'zone', summary: 'every name there is', configure: configureZone },
  ])
}

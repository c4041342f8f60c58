import { Command } from 'commander'
import { addGlobalOptions } from '../command-action.ts'
import { configure as configureQuery } from './dns-query.ts'
import { configure as configureServe } from './dns-serve.ts'
import { configure as configureZone } from './dns-zone.ts'

/** `moorage dns`: the names, as clients see them. */
export function configure(command: Command): void {
  command.helpCommand(false)
  const parts = [
    { name: 'query', summary: 'what a client would get for a name', configurePart: configureQuery },
    { name: 'serve', summary: 'a DNS server alone, without the daemon', configurePart: configureServe },
    { name: 'zone', summary: 'every name there is', configurePart: configureZone },
  ]
  for (const { name, summary, configurePart } of parts) {
    const part = new Command(name).summary(summary).description(summary).copyInheritedSettings(command)
    configurePart(part)
    command.addCommand(addGlobalOptions(part))
  }
}

import type { Command } from 'commander'
import type { NetworkRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { table } from '../printing/table.ts'

/** `moorage network ls`: every network, with who is in it. */
export function configure(command: Command): void {
  command.action(action(list))
}

async function list({ global, terminal }: CommandContext): Promise<void> {
  const { networks } = await daemonApi(global).ask<{ networks: NetworkRow[] }>('networks')
  if (terminal.json) return terminal.document({ networks })
  if (terminal.quiet) {
    for (const { name } of networks) await terminal.print(name)
    return
  }
  const rows = networks.map((network) => [
    network.name,
    network.subnet,
    network.subnet6 ?? '-',
    network.isolation,
    String(network.sandboxes),
    network.hostRoute === 'yes' ? 'yes' : 'no',
    network.kept ? 'yes' : 'no',
  ])
  const heads = ['NAME', 'SUBNET', 'IPV6', 'ISOLATION', 'SANDBOXES', 'HOST ROUTE', 'STAYS']
  for (const line of table(heads, rows, terminal)) await terminal.print(line)
}

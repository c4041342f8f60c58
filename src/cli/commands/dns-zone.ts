import type { Command } from 'commander'
import type { ZoneRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { table } from '../printing/table.ts'

/** `moorage dns zone`: every name that is answered, with whose view it belongs to. */
export function configure(command: Command): void {
  command.action(action(zone))
}

async function zone({ global, terminal }: CommandContext): Promise<void> {
  const { records } = await daemonApi(global).ask<{ records: ZoneRow[] }>('dns/zone', {
    query: { network: global.network },
  })
  if (terminal.json) return terminal.document({ records })
  const rows = records.map(({ name, type, value, view, network }) => [name, type, value, view, network])
  for (const line of table(['NAME', 'TYPE', 'VALUE', 'VIEW', 'NETWORK'], rows, terminal))
    await terminal.print(line)
}

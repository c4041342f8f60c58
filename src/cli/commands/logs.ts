import type { Command } from 'commander'
import { action, type CommandContext } from '../action.ts'
import { daemonDoor } from '../daemon-door.ts'
import { documentPrinter, type LogPrinter, prefixPrinter, rawPrinter } from '../log-printer.ts'
import { moment } from '../moment.ts'

/** `moorage logs`: what services and runs have written, each stream where it belongs. */
export function configure(command: Command): void {
  command
    .argument('<ID...>', 'ID, name, hostname or a unique prefix of the ID; of a run too')
    .option('-f, --follow', 'go on until it ends')
    .option('--since <WHEN>', 'only what is newer: 10m, or a time in RFC 3339')
    .action(action(logs))
}

async function logs(
  { global, terminal }: CommandContext,
  [ids]: readonly [string[]],
  { follow, since }: { follow?: boolean; since?: string },
): Promise<void> {
  const daemon = daemonDoor(global)
  const query = {
    network: global.network,
    ...(follow ? { follow: '1' } : {}),
    ...(since === undefined ? {} : { since: String(moment('--since', since, Date.now())) }),
  }
  const width = Math.max(...ids.map((id) => id.length))
  const printerOf = (id: string): LogPrinter => {
    if (terminal.json) return documentPrinter(terminal, id)
    return ids.length === 1 ? rawPrinter() : prefixPrinter(terminal, id, width)
  }
  const show = async (id: string) => {
    const printer = printerOf(id)
    for await (const event of daemon.follow(`services/${encodeURIComponent(id)}/logs`, { query })) {
      if (event.type === 'log') await printer.write(event)
    }
    await printer.end()
  }
  // Those that are followed go on side by side; the others come one after the other, in the order asked for.
  if (follow) await Promise.all(ids.map(show))
  else for (const id of ids) await show(id)
}

import type { Command } from 'commander'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'

/** `moorage network rm`: removes networks that nobody uses. */
export function configure(command: Command): void {
  command.argument('NAME...').action(action(remove))
}

async function remove({ global, terminal }: CommandContext, [names]: readonly [string[]]): Promise<void> {
  const daemon = daemonApi(global)
  for (const name of names) {
    await daemon.ask(`networks/${encodeURIComponent(name)}`, { method: 'DELETE' })
    if (!terminal.json) await terminal.print(name)
  }
  if (terminal.json) await terminal.document({ removed: names })
}

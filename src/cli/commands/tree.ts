import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonDoor } from '../daemon-api.ts'
import { isLive } from '../services/service-table.ts'
import { serviceTree } from '../services/service-tree.ts'

/** `moorage tree`: the services, and why each is alive. */
export function configure(command: Command): void {
  command.action(action(tree))
}

async function tree({ global, terminal }: CommandContext): Promise<void> {
  const daemon = daemonDoor(global)
  const [{ services }, { runs }] = await Promise.all([
    daemon.ask<{ services: ServiceRow[] }>('services'),
    daemon.ask<{ runs: RunRow[] }>('runs'),
  ])
  const wanted = services.filter((row) => global.network === undefined || row.network === global.network)
  if (terminal.json) {
    terminal.document({
      services: wanted
        .filter(isLive)
        .map(({ id, name, network, clients }) => ({ id, name, network, clients })),
    })
    return
  }
  const lines = serviceTree(wanted, runs, Date.now())
  for (const line of lines.length > 0 ? lines : ['No services.']) terminal.print(line)
}

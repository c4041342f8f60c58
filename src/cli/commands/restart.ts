import type { Command } from 'commander'
import type { ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'

/** `moorage restart`: stops services and starts them again, for those who use them now. */
export function configure(command: Command): void {
  command.argument('<ID...>', 'ID, name, hostname or a unique prefix of the ID').action(action(restart))
}

async function restart({ global, terminal }: CommandContext, [ids]: readonly [string[]]): Promise<void> {
  const daemon = daemonApi(global)
  const query = { network: global.network }
  const services: ServiceRow[] = []
  for (const id of ids) {
    const path = `services/${encodeURIComponent(id)}/restart`
    const { service } = await daemon.ask<{ service: ServiceRow }>(path, { method: 'POST', query })
    services.push(service)
    if (!terminal.json) await terminal.print(service.id)
  }
  if (terminal.json) await terminal.document({ services })
}

import type { Command } from 'commander'
import type { ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonDoor } from '../daemon-api.ts'

/** `moorage stop`: stops services, whoever uses them. */
export function configure(command: Command): void {
  command
    .argument('<ID...>', 'ID, name, hostname or a unique prefix of the ID')
    .option('--kill', 'with SIGKILL, at once')
    .action(action(stop))
}

async function stop(
  { global, terminal }: CommandContext,
  [ids]: readonly [string[]],
  { kill }: { kill?: boolean },
): Promise<void> {
  const daemon = daemonDoor(global)
  const query = { network: global.network, ...(kill ? { kill: '1' } : {}) }
  const services: ServiceRow[] = []
  for (const id of ids) {
    const path = `services/${encodeURIComponent(id)}`
    const { service } = await daemon.ask<{ service: ServiceRow }>(path, { method: 'DELETE', query })
    services.push(service)
    if (!terminal.json) terminal.print(service.id)
  }
  if (terminal.json) terminal.document({ services })
}

import type { Command } from 'commander'
import type { ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'

/** `moorage stop`: stops services, even if somebody uses them. */
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
  const daemon = daemonApi(global)
  const query = { network: global.network, kill: kill ? '1' : undefined }
  const services: ServiceRow[] = []
  for (const id of ids) {
    const path = `services/${encodeURIComponent(id)}`
    const { service } = await daemon.ask<{ service: ServiceRow }>(path, { method: 'DELETE', query })
    services.push(service)
    if (!terminal.json) await terminal.print(service.id)
  }
  if (terminal.json) await terminal.document({ services })
}

import type { Command } from 'commander'
import type { NetworkRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'

/** `moorage network inspect`: everything that the daemon knows of a network, always as JSON. */
export function configure(command: Command): void {
  command.argument('NAME').action(action(inspect))
}

async function inspect({ global, terminal }: CommandContext, [name]: readonly [string]): Promise<void> {
  const path = `networks/${encodeURIComponent(name)}`
  await terminal.document(await daemonApi(global).ask<{ network: NetworkRow }>(path))
}

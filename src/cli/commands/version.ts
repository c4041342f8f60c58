import type { Command } from 'commander'
import type { Status } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { packageVersion } from '../../package.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'

/** `moorage version`: the version of this program, and of the daemon if one answers. */
export function configure(command: Command): void {
  command.action(action(version))
}

async function version({ global, terminal }: CommandContext): Promise<void> {
  const daemon = await daemonVersion(global)
  if (terminal.json) return terminal.document({ client: packageVersion, daemon, node: process.versions.node })
  await terminal.print(`moorage ${packageVersion}`)
  if (daemon === null) terminal.talk('no daemon answers')
  else await terminal.print(`daemon  ${daemon}`)
}

/** Returns the daemon's version; null if none answers, which is no failure here. */
async function daemonVersion(global: CommandContext['global']): Promise<string | null> {
  try {
    return (await daemonApi(global).ask<Status>('status')).version
  } catch (error) {
    if (error instanceof MoorageError && error.code === 'DAEMON_UNREACHABLE') return null
    throw error
  }
}

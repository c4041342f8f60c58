import type { Command } from 'commander'
import type { NetworkRow, NetworkSettings } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { withDaemon } from '../daemon-api.ts'

interface CreateFlags {
  subnet?: string
  ipv6?: boolean | string
  isolation?: string
}

/** `moorage network create`: one that stays, through restarts of the daemon, until it is removed. */
export function configure(command: Command): void {
  command
    .argument('NAME', 'lower-case letters, digits and "-"')
    .option('--subnet <CIDR>', 'such as 10.88.0.0/16; a free one is chosen otherwise')
    .option('--ipv6 [CIDR]', 'IPv6 beside IPv4, in this prefix or a random one')
    .option('--isolation <WHAT>', 'who reaches a service: all of the "network", or "bindings"')
    .action(action(create))
}

async function create(
  { global, terminal }: CommandContext,
  [name]: readonly [string],
  { subnet, ipv6, isolation }: CreateFlags,
): Promise<void> {
  if (isolation !== undefined && isolation !== 'network' && isolation !== 'bindings') {
    throw new MoorageError('INVALID_OPTION', {
      option: '--isolation',
      reason: `"${isolation}" is not network or bindings`,
    })
  }
  const body: NetworkSettings = {
    ...(subnet === undefined ? {} : { subnet }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(isolation === undefined ? {} : { isolation }),
  }
  const { network } = await withDaemon(global, (daemon) =>
    daemon.ask<{ network: NetworkRow }>(`networks/${encodeURIComponent(name)}`, { method: 'PUT', body }),
  )
  if (terminal.json) terminal.document({ network })
  else terminal.print(terminal.quiet ? network.name : `${network.name}  ${network.subnet}`)
}

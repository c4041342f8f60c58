import type { Command } from 'commander'
import type { NetworkRow, NetworkSettings } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { action, type CommandContext } from '../command-action.ts'
import { withDaemon } from '../daemon-api.ts'
import { isolationOf } from '../options/isolation.ts'

interface CreateFlags {
  subnet?: string
  ipv6?: boolean | string
  isolation?: string
}

/** `moorage network create`: makes a network that stays, through restarts of the daemon, until it is removed. */
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
  const body: NetworkSettings = withoutUndefined({
    subnet,
    ipv6,
    isolation: isolation === undefined ? undefined : isolationOf(isolation),
  })
  const { network } = await withDaemon(global, (daemon) =>
    daemon.ask<{ network: NetworkRow }>(`networks/${encodeURIComponent(name)}`, { method: 'PUT', body }),
  )
  if (terminal.json) await terminal.document({ network })
  else await terminal.print(terminal.quiet ? network.name : `${network.name}  ${network.subnet}`)
}

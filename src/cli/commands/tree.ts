import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { isInNetwork } from '../global-options.ts'
import { age, timeLeft } from '../printing/duration-text.ts'
import { holderText } from '../services/event-words.ts'
import { isLive } from '../services/service-table.ts'
import { printable } from '../terminal.ts'

/** `moorage tree`: the services, and why each is alive. */
export function configure(command: Command): void {
  command.action(action(tree))
}

async function tree({ global, terminal }: CommandContext): Promise<void> {
  const daemon = daemonApi(global)
  const [{ services }, { runs }] = await Promise.all([
    daemon.ask<{ services: ServiceRow[] }>('services'),
    daemon.ask<{ runs: RunRow[] }>('runs'),
  ])
  const live = services.filter((row) => isInNetwork(global, row) && isLive(row))
  if (terminal.json) {
    await terminal.document({
      services: live.map(({ id, name, network, clients }) => ({ id, name, network, clients })),
    })
    return
  }
  const lines = treeOf(live, runs, Date.now())
  for (const line of lines.length > 0 ? lines : ['No services.']) await terminal.print(line)
}

/** Returns the lines of the tree: below each service its holders, below a holder that is a service its own, and so on. */
function treeOf(live: readonly ServiceRow[], runs: readonly RunRow[], now: number): string[] {
  const lines: string[] = []
  const addBranches = (row: ServiceRow, indent: string, path: readonly string[]) => {
    const holders = row.clients.length > 0 ? row.clients : [nobody(row, now)]
    holders.forEach((holder, index) => {
      const last = index === holders.length - 1
      const service = live.find(
        ({ label, network }) => network === row.network && holder === `service ${label}`,
      )
      const again = service !== undefined && path.includes(service.label)
      const branch = printable(branchOf(holder, row, service))
      lines.push(`${indent}${last ? '└─' : '├─'} ${branch}${again ? ' …' : ''}`)
      if (service && !again)
        addBranches(service, `${indent}${last ? '   ' : '│  '}`, [...path, service.label])
    })
  }
  const branchOf = (holder: string, { network }: ServiceRow, service: ServiceRow | undefined): string => {
    if (service) return `${service.name} (${holderText(holder)})`
    const run = runs.find(
      ({ label, network: itsNetwork, state }) =>
        itsNetwork === network && holder === `run ${label}` && state === 'running',
    )
    return run
      ? `${holderText(holder)}: ${run.args.join(' ')}, for ${age(now - run.startedAt)}`
      : holderText(holder)
  }
  for (const row of live) {
    lines.push(printable(`${row.name} (${row.id}), ${row.state} for ${age(now - row.since)}`))
    addBranches(row, '', [row.label])
  }
  return lines
}

function nobody({ state, stopsAt }: ServiceRow, now: number): string {
  if (state === 'grace' && stopsAt !== null) return `nobody: stops in ${timeLeft(stopsAt, now)}`
  return 'nobody'
}

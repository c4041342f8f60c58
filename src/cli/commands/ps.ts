import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonDoor } from '../daemon-api.ts'
import { isLive, serviceTable } from '../services/service-table.ts'

/** `moorage ps`: the rows of `status`, for scripts. */
export function configure(command: Command): void {
  command.option('-a, --all', 'ended services, clients and ended runs too').action(action(ps))
}

async function ps(
  { global, terminal }: CommandContext,
  _operands: readonly never[],
  { all = false }: { all?: boolean },
): Promise<void> {
  const daemon = daemonDoor(global)
  const wanted = ({ network }: { network: string }) =>
    global.network === undefined || network === global.network
  const [{ services }, { runs }] = await Promise.all([
    daemon.ask<{ services: ServiceRow[] }>('services'),
    all ? daemon.ask<{ runs: RunRow[] }>('runs') : { runs: [] },
  ])
  const shownServices = services.filter((row) => wanted(row) && (all || isLive(row)))
  const shownRuns = runs.filter(wanted)
  if (terminal.json) terminal.document({ services: shownServices, ...(all ? { runs: shownRuns } : {}) })
  else if (terminal.quiet) for (const { id } of [...shownServices, ...shownRuns]) terminal.print(id)
  else for (const line of serviceTable(shownServices, shownRuns, terminal, Date.now())) terminal.print(line)
}

import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { isInNetwork } from '../global-options.ts'
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
  const daemon = daemonApi(global)
  const [{ services }, { runs }] = await Promise.all([
    daemon.ask<{ services: ServiceRow[] }>('services'),
    all ? daemon.ask<{ runs: RunRow[] }>('runs') : { runs: [] },
  ])
  const shownServices = services.filter((row) => isInNetwork(global, row) && (all || isLive(row)))
  const shownRuns = runs.filter((run) => isInNetwork(global, run))
  if (terminal.json) await terminal.document({ services: shownServices, ...(all ? { runs: shownRuns } : {}) })
  else if (terminal.quiet) for (const { id } of [...shownServices, ...shownRuns]) await terminal.print(id)
  else
    for (const line of serviceTable(shownServices, shownRuns, terminal, Date.now()))
      await terminal.print(line)
}

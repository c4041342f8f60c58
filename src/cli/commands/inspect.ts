import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { type DaemonApi, daemonApi } from '../daemon-api.ts'
import { type GlobalOptions, isInNetwork } from '../global-options.ts'

/** `moorage inspect`: everything that the daemon knows of a service or a run, always as JSON. */
export function configure(command: Command): void {
  command
    .argument('ID', 'ID, name, hostname or a unique prefix of the ID; of a run too')
    .action(action(inspect))
}

async function inspect({ global, terminal }: CommandContext, [id]: readonly [string]): Promise<void> {
  const daemon = daemonApi(global)
  const query = { network: global.network }
  try {
    await terminal.document(
      await daemon.ask<{ service: ServiceRow }>(`services/${encodeURIComponent(id)}`, { query }),
    )
  } catch (error) {
    if (!(error instanceof MoorageError) || error.code !== 'SERVICE_NOT_FOUND') throw error
    const run = await findRun(daemon, id, global)
    if (run === undefined) throw error
    await terminal.document({ run })
  }
}

/** Finds a run by its ID, since the daemon finds only services; of several with one ID, the last. */
async function findRun(daemon: DaemonApi, id: string, global: GlobalOptions): Promise<RunRow | undefined> {
  const { runs } = await daemon.ask<{ runs: RunRow[] }>('runs')
  const candidates = runs.filter((run) => run.label.startsWith(id) && isInNetwork(global, run))
  const labels = new Set(candidates.map(({ label }) => label))
  if (labels.size > 1) {
    throw new MoorageError('SERVICE_AMBIGUOUS', { id, candidates: candidates.map((run) => run.id) })
  }
  return candidates.toSorted((a, b) => b.startedAt - a.startedAt)[0]
}

import type { Command } from 'commander'
import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { type DaemonDoor, daemonDoor } from '../daemon-api.ts'

/** `moorage inspect`: all that the daemon knows of a service or a run, always as JSON. */
export function configure(command: Command): void {
  command
    .argument('ID', 'ID, name, hostname or a unique prefix of the ID; of a run too')
    .action(action(inspect))
}

async function inspect({ global, terminal }: CommandContext, [id]: readonly [string]): Promise<void> {
  const daemon = daemonDoor(global)
  const query = { network: global.network }
  try {
    terminal.document(
      await daemon.ask<{ service: ServiceRow }>(`services/${encodeURIComponent(id)}`, { query }),
    )
  } catch (error) {
    if (!(error instanceof MoorageError) || error.code !== 'SERVICE_NOT_FOUND') throw error
    const run = await findRun(daemon, id, global.network)
    if (run === undefined) throw error
    terminal.document({ run })
  }
}

/** The daemon finds services by name; a run has only its ID, and of equal ones the last is meant. */
async function findRun(
  daemon: DaemonDoor,
  id: string,
  network: string | undefined,
): Promise<RunRow | undefined> {
  const { runs } = await daemon.ask<{ runs: RunRow[] }>('runs')
  const found = runs.filter((run) => run.label.startsWith(id) && (network ?? run.network) === run.network)
  const labels = new Set(found.map(({ label }) => label))
  if (labels.size > 1) {
    throw new MoorageError('SERVICE_AMBIGUOUS', { id, candidates: found.map((run) => run.id) })
  }
  return found.toSorted((a, b) => b.startedAt - a.startedAt)[0]
}

import type { Command } from 'commander'
import { checkEverything, type Probe } from '../../daemon/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { type Cell, table } from '../printing/table.ts'
import { printable } from '../terminal.ts'

/** `moorage doctor`: looks at everything that is needed of this host; no daemon is asked. */
export function configure(command: Command): void {
  command
    .option('--state-dir <PATH>', 'where the daemon’s state is or will be (MOORAGE_STATE_DIR)')
    .option('--runtime-dir <PATH>', 'where its run-time files are or will be (MOORAGE_RUNTIME_DIR)')
    .action(action(doctor))
}

async function doctor(
  { terminal }: CommandContext,
  _operands: readonly never[],
  { stateDir, runtimeDir }: { stateDir?: string; runtimeDir?: string },
): Promise<number> {
  const probes = await checkEverything(
    stateDir ?? process.env.MOORAGE_STATE_DIR,
    runtimeDir ?? process.env.MOORAGE_RUNTIME_DIR,
  )
  const open = probes.filter(({ ok }) => !ok)
  if (terminal.json) await terminal.document({ probes })
  else {
    const [privileges] = probes
    // The one line that counts for somebody who forgot sudo: the rest follows from it.
    if (!isRoot() && privileges !== undefined)
      await terminal.print(`${privileges.detail}; ${privileges.remedy}, to look at everything\n`)
    const rows = probes.map(({ group, name, detail, ...probe }): Cell[] => [
      outcomeOf(probe),
      group,
      name,
      detail,
    ])
    for (const line of table(['RESULT', 'GROUP', 'CHECK', 'FOUND'], rows, terminal))
      await terminal.print(line)
    // What could not be looked at has one remedy for all, and needs no line each.
    const failed = open.filter(({ skipped }) => !skipped)
    if (failed.length > 0) await terminal.print('')
    for (const { name, remedy } of failed) await terminal.print(`${printable(name)}: ${printable(remedy)}`)
  }
  return open.length > 0 ? 1 : 0
}

const isRoot = () => process.geteuid?.() === 0

function outcomeOf({ ok, skipped }: Pick<Probe, 'ok' | 'skipped'>): Cell {
  if (ok) return { text: 'ok', style: 'green' }
  return skipped ? { text: 'unknown', style: 'yellow' } : { text: 'FAILED', style: 'red' }
}

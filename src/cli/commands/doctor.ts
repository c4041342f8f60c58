import type { Command } from 'commander'
import { checkEverything } from '../../daemon/index.ts'
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
  const failed = probes.filter(({ ok }) => !ok)
  if (terminal.json) await terminal.document({ probes })
  else {
    const rows = probes.map(({ group, name, ok, detail }): Cell[] => [
      { text: ok ? 'ok' : 'FAILED', style: ok ? 'green' : 'red' },
      group,
      name,
      detail,
    ])
    for (const line of table(['RESULT', 'GROUP', 'CHECK', 'FOUND'], rows, terminal))
      await terminal.print(line)
    if (failed.length > 0) await terminal.print('')
    for (const { name, remedy } of failed) await terminal.print(`${printable(name)}: ${printable(remedy)}`)
  }
  return failed.length > 0 ? 1 : 0
}

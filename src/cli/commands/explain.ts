import type { Command } from 'commander'
import type { Explanation } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { printable } from '../terminal.ts'

/** `moorage explain`: which field makes two services or runs different ones. */
export function configure(command: Command): void {
  command
    .argument('A', 'ID, name, hostname or a unique prefix of the ID; of a run too')
    .argument('B', 'the other')
    .action(action(explain))
}

async function explain(
  { global, terminal }: CommandContext,
  [a, b]: readonly [string, string],
): Promise<void> {
  const query = { a, b, network: global.network }
  const { a: first, b: second, differences } = await daemonApi(global).ask<Explanation>('explain', { query })
  if (terminal.json) await terminal.document({ a: first, b: second, differences })
  else if (differences.length === 0) await terminal.print('They are the same: one definition, one name.')
  else {
    for (const { field, a: left, b: right } of differences) {
      await terminal.print(printable(field))
      await terminal.print(`  ${first.slice(0, 12)}  ${printable(left ?? '(none)')}`)
      await terminal.print(`  ${second.slice(0, 12)}  ${printable(right ?? '(none)')}`)
    }
  }
}

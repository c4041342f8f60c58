import type { Command } from 'commander'
import type { QueryAnswer } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { table } from '../printing/table.ts'

/** `moorage dns query`: asks as a client would, without a socket. */
export function configure(command: Command): void {
  command
    .argument('NAME', 'an alias, a hostname, or any name')
    .argument('[TYPE]', 'A, AAAA, PTR, …', 'A')
    .option('--as <CLIENT>', 'the client whose view is used: its ID or its address')
    .action(action(query))
}

async function query(
  { global, terminal }: CommandContext,
  [name, type]: readonly [string, string],
  { as }: { as?: string },
): Promise<number> {
  const { answer } = await daemonApi(global).ask<{ answer: QueryAnswer }>('dns/query', {
    query: { name, type: type.toUpperCase(), as, network: global.network },
  })
  if (terminal.json) await terminal.document({ answer })
  else {
    const asker = answer.as === null ? '' : ` as ${answer.as}`
    terminal.talk(`${answer.name} ${answer.type}${asker}: ${answer.status}`)
    if (answer.answers.length > 0) {
      const rows = answer.answers.map((record) => [record.name, record.type, String(record.ttl), record.data])
      for (const line of table(['NAME', 'TYPE', 'TTL', 'DATA'], rows, terminal)) await terminal.print(line)
    }
  }
  // A daemon of an earlier version gives none.
  if (!terminal.json) for (const hint of answer.hints ?? []) terminal.talk(hint)
  if (answer.status === 'NOERROR') return 0
  return answer.status === 'NXDOMAIN' ? 3 : 1
}

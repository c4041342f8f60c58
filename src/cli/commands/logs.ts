import type { Command } from 'commander'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { momentOf } from '../options/since.ts'
import {
  documentPrinter,
  type LogPrinter,
  matchingPrinter,
  prefixPrinter,
  rawPrinter,
} from '../printing/log-printer.ts'
import { lostOutput } from '../printing/lost-output.ts'

interface LogsFlags {
  follow?: boolean
  since?: string
  grep?: string
}

/** `moorage logs`: what services and runs have written, each stream where it belongs. */
export function configure(command: Command): void {
  command
    .argument('<ID...>', 'ID, name, hostname or a unique prefix of the ID; of a run too')
    .option('-f, --follow', 'go on while it lives, through its restarts')
    .option('--since <WHEN>', 'only what is newer: 10m, or a time in RFC 3339')
    .option('--grep <PATTERN>', 'only lines that match: a regular expression as in JavaScript')
    .action(action(logs))
}

async function logs(
  { global, terminal }: CommandContext,
  [ids]: readonly [string[]],
  { follow, since, grep }: LogsFlags,
): Promise<void> {
  const pattern = grep === undefined ? undefined : patternOf(grep)
  const query = {
    network: global.network,
    follow: follow ? '1' : undefined,
    since: since === undefined ? undefined : String(momentOf('--since', since, Date.now())),
  }
  const daemon = daemonApi(global)
  const width = Math.max(...ids.map((id) => id.length))
  const printerOf = (id: string): LogPrinter => {
    if (terminal.json) return documentPrinter(terminal, id, pattern)
    if (ids.length > 1) return prefixPrinter(terminal, id, width, pattern)
    return pattern === undefined ? rawPrinter() : matchingPrinter(pattern)
  }
  const lost: { id: string; missing: number | null }[] = []
  const show = async (id: string) => {
    const printer = printerOf(id)
    for await (const event of daemon.output(`services/${encodeURIComponent(id)}/logs`, { query })) {
      if (event.type === 'output') {
        await printer.write(event)
        continue
      }
      if (event.type !== 'run' && event.type !== 'gap') continue
      // A line that was not complete ends here.
      await printer.end()
      if (event.type === 'gap') {
        lost.push({ id, missing: event.missing })
        if (!terminal.json) terminal.complain(`moorage: ${id}: ${gapWords(event.missing)}`)
      }
      if (terminal.json) await terminal.document({ ...event, id }, { line: true })
      else if (event.type === 'run') terminal.whisper(`moorage: ${id}: run ${event.run}`)
    }
    await printer.end()
  }
  // Logs are followed side by side; otherwise they come one after the other, in the order of the command line.
  if (follow) await Promise.all(ids.map(show))
  else for (const id of ids) await show(id)
  const [first] = lost
  if (first === undefined) return
  const sizes = lost.map(({ missing }) => missing)
  const missing = sizes.includes(null) ? null : sizes.reduce<number>((sum, size) => sum + (size ?? 0), 0)
  throw lostOutput(missing, [...new Set(lost.map(({ id }) => id))])
}

function gapWords(missing: number | null): string {
  return missing === null
    ? 'some of the output is no longer kept'
    : `${missing} bytes of output are no longer kept`
}

/** Reads the value of `--grep`. @throws MoorageError INVALID_OPTION */
function patternOf(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw new MoorageError(
      'INVALID_OPTION',
      { option: '--grep', reason: (cause as Error).message },
      { cause },
    )
  }
}

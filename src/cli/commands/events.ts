import type { Command } from 'commander'
import type { ProgressEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { isInNetwork } from '../global-options.ts'
import { momentOf } from '../options/since.ts'
import { wordsOf } from '../services/event-words.ts'
import { printable, type Style, type Terminal } from '../terminal.ts'

/** `moorage events`: what goes on in the daemon. */
export function configure(command: Command): void {
  command
    .option('-f, --follow', 'go on with what comes')
    .option('--since <WHEN>', 'only what is newer: the number of an event, 10m, or a time in RFC 3339')
    .action(action(events))
}

async function events(
  { global, terminal }: CommandContext,
  _operands: readonly never[],
  { follow, since }: { follow?: boolean; since?: string },
): Promise<void> {
  const daemon = daemonApi(global)
  const query = { follow: follow ? '1' : undefined, ...beginOf(since) }
  for await (const event of daemon.follow('events', { query })) {
    if (event.type === 'progress') {
      // An event without a network concerns all.
      if (event.network !== undefined && !isInNetwork(global, { network: event.network })) continue
      if (terminal.json) await terminal.document(event, { line: true })
      else await terminal.print(lineOf(event, terminal))
      continue
    }
    const missed = event.type === 'events' ? event.missed : event.type === 'missed' ? event.count : 0
    if (terminal.json) await terminal.document(event, { line: true })
    else if (missed === null) terminal.talk('moorage: the daemon was started anew: these are all its events')
    else if (missed > 0) terminal.talk(`moorage: ${missed} events are gone`)
  }
  if (follow) {
    throw new MoorageError('DAEMON_UNREACHABLE', { host: daemon.host, reason: 'it ended the events' })
  }
}

function beginOf(since: string | undefined): Record<string, string> {
  if (since === undefined) return {}
  if (/^\d+$/.test(since)) return { since }
  return { from: String(momentOf('--since', since, Date.now())) }
}

const styles: Record<string, Style> = {
  ready: 'green',
  passing: 'green',
  done: 'green',
  cached: 'green',
  grace: 'yellow',
  stopping: 'yellow',
  failed: 'red',
  lost: 'red',
}

function lineOf(event: ProgressEvent, terminal: Terminal): string {
  const { seq, time, kind, id, name, state } = event
  // The ID of an image is its reference and that of a download its URL, which are their names as well.
  const subject = kind === 'image' || kind === 'http' ? name : `${name} (${id.slice(0, 12)})`
  const style = styles[state]
  const words = printable(wordsOf(event))
  const when = terminal.style('dim', `${new Date(time).toISOString()} ${String(seq).padStart(6)}`)
  return `${when} ${kind.padEnd(7)} ${printable(subject)}: ${style ? terminal.style(style, words) : words}`
}

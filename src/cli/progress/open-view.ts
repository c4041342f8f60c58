import type { ProgressEvent } from '../../definition/index.ts'
import { span } from '../printing/duration-text.ts'
import { documentPrinter, type LogPrinter, rawPrinter } from '../printing/log-printer.ts'
import { wordsOf } from '../services/event-words.ts'
import { printable, type Terminal } from '../terminal.ts'

/** Where the progress of a call and the output of its run are shown. */
export interface ProgressView {
  event(event: ProgressEvent): void
  /** Resolves when the reader has room for more. */
  output: LogPrinter['write']
  /** A line of ours beside all that. */
  note(line: string): void
  /** The last word; does nothing the second time. */
  end(outcome: { failed: boolean }): Promise<void>
}

/**
 * A live tree where people look, lines of JSON where a program asked for them, plain lines elsewhere: into files and
 * pipes, on terminals that cannot move the cursor, and for those who want every step.
 */
export async function progressView(terminal: Terminal): Promise<ProgressView> {
  const { json, quiet, verbose } = terminal
  if (process.stderr.isTTY && process.env.TERM !== 'dumb' && !json && !quiet && !verbose) {
    const { liveProgress } = await import('./live-view.ts')
    return liveProgress(terminal)
  }
  const printer = json ? documentPrinter(terminal) : rawPrinter()
  return {
    event: json ? (event) => terminal.document(event, { line: true }) : progressPrinter(terminal),
    output: printer.write,
    note: (line) => terminal.talk(`moorage: ${line}`),
    end: () => printer.end(),
  }
}

/** How loudly something is said: to everybody, to those who want to know more, or not at all. */
type Loudness = 'talk' | 'whisper' | 'nothing'

/**
 * Tells of the work as it goes on, a line each, on stderr: images that are fetched, and services. What took no work,
 * commands, and failures, which the error tells of, are for those who want to know more. The same words twice in a row
 * are said once; of a download, a line for each tenth.
 */
export function progressPrinter(terminal: Terminal): (event: ProgressEvent) => void {
  const begun = new Map<string, number>()
  const last = new Map<string, string>()
  return (event) => {
    const { id, name, time, state } = event
    const kind =
      event.kind === 'image' || event.kind === 'exec' || event.kind === 'http' ? event.kind : 'service'
    const key = `${kind} ${id}`
    const fresh = !begun.has(key)
    const loudness = loudnessOf(event, fresh)
    if (state !== 'ready') begun.set(key, begun.get(key) ?? time)
    const tenth =
      event.kind === 'image' && event.bytes
        ? Math.floor((10 * event.bytes.done) / Math.max(1, event.bytes.total))
        : undefined
    const words = wordsOf(event)
    const said = tenth === undefined ? words : `tenth ${tenth}`
    if (last.get(key) === said) return
    last.set(key, said)
    const ended = state === 'ready' || state === 'done'
    const took = ended && !fresh ? ` after ${span(time - (begun.get(key) ?? time))}` : ''
    const shown = ended ? state : words
    const line = terminal.style('dim', printable(`moorage: ${kind} ${name}: ${shown}${took}`), process.stderr)
    if (loudness !== 'nothing') terminal[loudness](line)
  }
}

function loudnessOf(event: ProgressEvent, fresh: boolean): Loudness {
  switch (event.kind) {
    case 'image':
      return event.state === 'failed' ? 'whisper' : 'talk'
    case 'exec':
    case 'http':
    case 'check':
    case 'lease':
      return 'whisper'
    case 'wait':
      // The first word says what its start says soon.
      return fresh ? 'whisper' : 'talk'
    case 'service':
      if (event.detail !== undefined) return 'talk'
      if (event.state === 'ready') return fresh ? 'whisper' : 'talk'
      return event.state === 'stopping' && event.because !== 'grace-over' ? 'talk' : 'whisper'
  }
}

import type { ProgressEvent } from '../../definition/index.ts'
import { span } from '../printing/duration-text.ts'
import { documentPrinter, rawPrinter } from '../printing/log-printer.ts'
import { wordsOf } from '../services/event-words.ts'
import { printable, type Terminal } from '../terminal.ts'
import type { ProgressView } from './progress-view.ts'

/** Shows progress as lines on stderr and output as it comes; with `--json` both as lines of JSON on stdout. */
export function lineView(terminal: Terminal): ProgressView {
  const { json } = terminal
  const printer = json ? documentPrinter(terminal) : rawPrinter()
  return {
    event: json ? (event) => terminal.document(event, { line: true }) : progressPrinter(terminal),
    output: printer.write,
    note: (line) => terminal.talk(`moorage: ${line}`),
    end: () => printer.end(),
  }
}

/** The audience of a line: everybody (`talk`), or people who asked for more. */
type Loudness = 'talk' | 'whisper'

/**
 * Prints a line for each step: for everybody the images that are fetched, and the services; with `--verbose` also steps
 * that took no work, commands, and failures, which the error reports anyway. Equal lines in a row are printed once, and
 * of a download one line for each tenth.
 */
function progressPrinter(terminal: Terminal): (event: ProgressEvent) => void {
  const begun = new Map<string, number>()
  const lastWords = new Map<string, string>()
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
    const news = tenth === undefined ? words : `tenth ${tenth}`
    if (lastWords.get(key) === news) return
    lastWords.set(key, news)
    const ended = state === 'ready' || state === 'done'
    const took = ended && !fresh ? ` after ${span(time - (begun.get(key) ?? time))}` : ''
    const shown = ended ? state : words
    const line = terminal.style('dim', printable(`moorage: ${kind} ${name}: ${shown}${took}`), process.stderr)
    terminal[loudness](line)
  }
}

/** @param fresh - whether this is the first event of its step */
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
      // The line of the start, which follows soon, says the same.
      return fresh ? 'whisper' : 'talk'
    case 'service':
      if (event.detail !== undefined) return 'talk'
      if (event.state === 'ready') return fresh ? 'whisper' : 'talk'
      return event.state === 'stopping' && event.because !== 'grace-over' ? 'talk' : 'whisper'
  }
}

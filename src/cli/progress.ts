import type { ProgressEvent } from '../definition/index.ts'
import { span } from './age.ts'
import { wordsOf } from './event-words.ts'
import { printable, type Terminal } from './terminal.ts'

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

import type { ProgressEvent } from '../definition/index.ts'
import { span } from './age.ts'
import { printable, type Terminal } from './terminal.ts'

/**
 * Tells of the work as it goes on, a line each, on stderr: images that are fetched, and services. What took no work,
 * commands, and failures, which the error tells of, are for those who want to know more. The same state told twice is
 * shown once.
 */
export function progressPrinter(terminal: Terminal): (event: ProgressEvent) => void {
  const begun = new Map<string, number>()
  const last = new Map<string, string>()
  return ({ kind, id, name, state, detail, time }) => {
    const key = `${kind} ${id}`
    const wasThere = state === 'done' && !begun.has(key)
    if (!begun.has(key)) begun.set(key, time)
    const news = detail === undefined ? state : `${state}: ${detail}`
    if (last.get(key) === news) return
    last.set(key, news)
    const ended = state === 'healthy' || state === 'done' || state === 'failed'
    const took = ended ? ` after ${span(time - (begun.get(key) ?? time))}` : ''
    const line = terminal.style('dim', printable(`moorage: ${kind} ${name}: ${news}${took}`), process.stderr)
    if (kind === 'exec' || wasThere || state === 'failed') terminal.whisper(line)
    else terminal.talk(line)
  }
}

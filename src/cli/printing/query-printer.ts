import type { DnsServer, QueryEvent } from '../../../dns/index.ts'
import { printable, type Terminal } from '../terminal.ts'

/** What may wait for a slow reader of our output, in octets. */
const mostWaiting = 1024 * 1024

/**
 * Prints who asked what, as documents with `--json`, as lines with `--verbose`. The server does not wait for whoever
 * reads that: what he is too slow for is left out, and he is told how much it was.
 */
export function queryPrinter(dns: DnsServer, terminal: Terminal): Disposable {
  if (!terminal.json && !terminal.verbose) return { [Symbol.dispose]: () => undefined }
  let missed = 0
  const print = (query: QueryEvent) => {
    if (process.stdout.writableLength > mostWaiting) {
      missed++
      return
    }
    if (missed > 0) {
      if (terminal.json) terminal.document({ type: 'missed', queries: missed }, { line: true })
      else terminal.print(`(${missed} queries left out)`)
      missed = 0
    }
    if (terminal.json) terminal.document({ type: 'query', time: Date.now(), query }, { line: true })
    else {
      const { client, transport, name, type, status, answers, source } = query
      terminal.print(printable(`${client} ${transport} ${name} ${type} ${status} ${answers} ${source}`))
    }
  }
  dns.on('query', print)
  return { [Symbol.dispose]: () => dns.off('query', print) }
}

import type { DnsServer, QueryEvent } from '../../../dns/index.ts'
import { printable, type Terminal } from '../terminal.ts'

/** Bytes that may wait for a slow reader of our output. */
const waitingLimit = 1024 * 1024

/**
 * Prints each query that the server answers: as a document with `--json`, as a line with `--verbose`. The server does not
 * wait for a slow reader of our output: queries are left out, and their number is printed.
 */
export function queryPrinter(dns: DnsServer, terminal: Terminal): Disposable {
  if (!terminal.json && !terminal.verbose) return { [Symbol.dispose]: () => undefined }
  let missed = 0
  const print = (query: QueryEvent) => {
    if (process.stdout.writableLength > waitingLimit) {
      missed++
      return
    }
    if (missed > 0) {
      if (terminal.json) void terminal.document({ type: 'missed', queries: missed }, { line: true })
      else void terminal.print(`(${missed} queries left out)`)
      missed = 0
    }
    if (terminal.json) void terminal.document({ type: 'query', time: Date.now(), query }, { line: true })
    else {
      const { client, transport, name, type, status, answers, source } = query
      void terminal.print(printable(`${client} ${transport} ${name} ${type} ${status} ${answers} ${source}`))
    }
  }
  dns.on('query', print)
  return { [Symbol.dispose]: () => dns.off('query', print) }
}

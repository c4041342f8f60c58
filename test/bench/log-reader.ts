/**
 * Readers of a service's log, in a process of their own, each over a connection of its own.
 *
 * Usage: node log-reader.ts fast HOST PATH FILE     reads all, and holds every byte against FILE, which repeats
 *        node log-reader.ts slow HOST PATH COUNT    some read now and then, some never
 *
 * Prints `attached` once all are, and the fast one a JSON document at the end.
 */
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createTransport } from '../../src/client/index.ts'
import { framesType } from '../../src/logs/frame.ts'

export interface FastReader {
  bytes: number
  missing: number
  /** The first byte that is not as it should be. */
  wrong: number | null
  /** Milliseconds since the epoch. */
  first: number
  last: number
}

async function fast(host: string, path: string, file: string): Promise<FastReader> {
  const expected = readFileSync(file)
  const read: FastReader = { bytes: 0, missing: 0, wrong: null, first: 0, last: 0 }
  for await (const event of createTransport(host).output('GET', path)) {
    if (event.type === 'run') console.log('attached')
    else if (event.type === 'gap') read.missing += event.missing ?? Number.NaN
    else if (event.type === 'error') throw new Error(event.error.message)
    if (event.type !== 'output' || event.stream !== 'stdout') continue
    read.first ||= performance.timeOrigin + performance.now()
    // After a gap nobody knows where in the file it goes on.
    if (read.missing === 0) compare(expected, event.data, read)
    read.bytes += event.data.length
    read.last = performance.timeOrigin + performance.now()
  }
  return read
}

function compare(expected: Buffer, data: Buffer, read: FastReader): void {
  for (let at = 0; at < data.length; ) {
    const place = (read.bytes + at) % expected.length
    const length = Math.min(data.length - at, expected.length - place)
    if (expected.compare(data, at, at + length, place, place + length) !== 0) read.wrong ??= read.bytes + at
    at += length
  }
}

/** What a terminal reads that somebody looks at, or a pager that nobody pages. */
const slowRead = 16 * 1024
const slowPause = 100

async function slow(host: string, path: string, count: number): Promise<void> {
  const socketPath = host.replace('unix://', '')
  const attached = Array.from({ length: count }, (_, i) => {
    return new Promise<void>((resolve, reject) => {
      const asking = request(
        { socketPath, path, headers: { accept: framesType }, agent: false },
        (response) => {
          resolve()
          response.on('error', () => undefined)
          response.pause()
          // One in five is dead: it never reads again.
          if (i % 5 === 0) return
          setInterval(() => response.read(Math.min(slowRead, response.readableLength || 1)), slowPause)
        },
      )
      asking.on('error', reject).end()
    })
  })
  await Promise.all(attached)
  console.log('attached')
  await new Promise(() => undefined)
}

const [how, host = '', path = '', what = ''] = process.argv.slice(2)
if (import.meta.main) {
  if (how === 'slow') await slow(host, path, Number(what))
  else console.log(JSON.stringify(await fast(host, path, what)))
}

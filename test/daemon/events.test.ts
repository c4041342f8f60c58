import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { sendEvents } from '../../src/daemon/routes/events.ts'
import { streamEvents } from '../../src/daemon/streams/event-stream.ts'
import { ndjson } from '../../src/daemon/streams/ndjson.ts'
import { EventLog } from '../../src/engine/events/event-log.ts'
import { until } from '../e2e/own-daemon.ts'
import { removeTree } from '../remove-tree.ts'

t.setTimeout(60_000)

/** A server of events on a socket, and clients; a deaf client reads nothing. */
async function server(log: EventLog) {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-events-'))
  const socketPath = join(directory, 'socket')
  const ended: unknown[] = []
  const http = createServer((request, response) => {
    const query = Object.fromEntries(new URL(request.url ?? '', 'http://x').searchParams)
    void streamEvents(response, { version: '0', format: ndjson }, (stream) =>
      query.call === undefined
        ? sendEvents(log, stream, query)
        : new Promise((resolve) => {
            log.listen(stream.send)
            stream.signal.addEventListener('abort', () => resolve(undefined))
          }),
    ).then(() => ended.push(query))
  })
  http.listen(socketPath)
  await once(http, 'listening')
  return {
    ended,
    async open(path: string, { deaf = false } = {}) {
      const request = httpRequest({ socketPath, path, agent: false })
      request.end()
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      let text = ''
      response.on('data', (piece) => {
        text += piece
      })
      response.on('error', () => undefined)
      if (deaf) response.pause()
      return {
        response,
        lines: () =>
          text
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line)),
      }
    },
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      http.close()
      removeTree(directory)
    },
  }
}

const tell = (log: EventLog, name: string) => log.append({ kind: 'exec', id: 'r', name, state: 'running' })
const word = 'x'.repeat(150)

for (const path of ['/?follow=1', '/?call=1']) {
  const whose = path === '/?call=1' ? 'a call' : 'the log'
  t.test(
    `streams of ${whose} that are not read cost bounded memory and are told what they missed`,
    async (t) => {
      const log = new EventLog()
      await using events = await server(log)
      const deaf = await Promise.all(Array.from({ length: 100 }, () => events.open(path, { deaf: true })))
      const reader = await events.open(path)
      // Warm up: the process itself takes memory for the ring and the sockets.
      for (let n = 0; n < 20_000; n += 1) {
        tell(log, word)
        if (n % 100 === 0) await new Promise(setImmediate)
      }
      const before = process.memoryUsage.rss()
      for (let n = 0; n < 60_000; n += 1) {
        tell(log, word)
        if (n % 100 === 0) await new Promise(setImmediate)
      }
      const grown = (process.memoryUsage.rss() - before) / 2 ** 20
      // Events kept for each client would take 100 times 15 MB.
      t.ok(grown < 300, `grew by ${Math.round(grown)} MiB`)
      await until('the reader has it', () => reader.lines().at(-1)?.seq === log.latest)

      const [one] = deaf
      const from = log.latest
      one?.response.resume()
      const told = () => one?.lines().filter(({ type }) => type === 'progress' || type === 'missed') ?? []
      await until('it goes on', () => {
        tell(log, 'again')
        return told().at(-1)?.seq > from
      })
      let expected = told()[0]?.seq
      for (const event of told()) {
        if (event.type === 'missed') expected += event.count
        else if (event.seq === expected) expected += 1
        else return t.fail(`event ${event.seq} came where ${expected} was to come`)
      }
      t.ok(
        told().some(({ type }) => type === 'missed'),
        'the numbers add up with what it was told to have missed',
      )
      for (const { response } of [...deaf, reader]) response.destroy()
      await until('the server has noticed', () => events.ended.length === 101)
    },
  )
}

t.test('without follow a stream ends with what is there', async (t) => {
  const log = new EventLog({ size: 1_000 })
  await using events = await server(log)
  for (let n = 0; n < 1_500; n += 1) tell(log, 'x')
  const all = await events.open('/')
  await once(all.response, 'end')
  t.match(all.lines()[0], { type: 'events', log: log.id, oldest: 501, latest: 1_500, missed: 0 })
  t.equal(all.lines().length, 1_001)
  const since = await events.open('/?since=100')
  await once(since.response, 'end')
  t.match(since.lines()[0], { missed: 400 })
  t.equal(since.lines()[1]?.seq, 501)
  const wrong = await events.open('/?since=yesterday')
  await once(wrong.response, 'end')
  t.match(wrong.lines()[0], { type: 'error', error: { code: 'INVALID_OPTION' } })
})

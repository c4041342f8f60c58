import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createTransport, type OutputStreamEvent } from '../../src/client/index.ts'
import { encodeEvent, encodeHeader, framesType, streamCodes } from '../../src/logs/frame.ts'
import { random } from '../logs/random.ts'
import { removeTree } from '../remove-tree.ts'

/** Starts a server that answers with these bytes, cut at random places. */
async function serving(bytes: Buffer, cut: () => number) {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-output-'))
  const socket = join(directory, 'socket')
  const accepted: (string | undefined)[] = []
  const server = createServer(async (request, response) => {
    accepted.push(request.headers.accept)
    response.writeHead(200, { 'content-type': framesType, 'moorage-version': '9' })
    for (let at = 0; at < bytes.length; ) {
      const length = cut()
      response.write(bytes.subarray(at, at + length))
      at += length
      await new Promise((resolve) => setImmediate(resolve))
    }
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    transport: createTransport(`unix://${socket}`),
    accepted,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      removeTree(directory)
    },
  }
}

const frame = (code: number, text: string, time = 1) =>
  Buffer.concat([encodeHeader(code, time, text.length), Buffer.from(text)])

const seed = Number(process.env.MOORAGE_SEED ?? Math.floor(Math.random() * 1e9))
t.test(`frames are read wherever they are cut (MOORAGE_SEED=${seed})`, async (t) => {
  const next = random(seed)
  const run = { type: 'run', run: 'r', startedAt: 5, offset: 1_000 }
  const result = { type: 'result', value: 'ü', exitCode: 0 }
  const bytes = Buffer.concat([
    encodeEvent({ type: 'heartbeat' }, 0),
    encodeEvent(run, 0),
    frame(streamCodes.stdout, 'one two three', 7),
    frame(streamCodes.stderr, 'oops', 8),
    encodeEvent({ type: 'gap', missing: 100, position: 'r@1143' }, 0),
    frame(streamCodes.stdout, ''),
    frame(streamCodes.stdout, 'x'.repeat(1_000)),
    encodeEvent(result, 0),
  ])
  for (let round = 0; round < 20; round += 1) {
    await using it = await serving(bytes, () => 1 + next(round < 10 ? 8 : 400))
    const events: OutputStreamEvent[] = []
    for await (const event of it.transport.output('GET', '/v1/x')) events.push(event)
    t.match(it.accepted[0], new RegExp(`^${framesType},`))
    const output = events.flatMap((event) => (event.type === 'output' ? [event] : []))
    const text = (stream: string) =>
      output.flatMap((event) => (event.stream === stream ? [String(event.data)] : [])).join('')
    t.equal(text('stdout'), `one two three${'x'.repeat(1_000)}`)
    t.equal(text('stderr'), 'oops')
    t.same([output[0]?.time, output.find(({ stream }) => stream === 'stderr')?.time], [7, 8])
    const whole = 1_000 + 13 + 13
    t.equal(output.findLast(({ time }) => time === 7)?.position, `r@${whole}`, 'behind the first frame')
    t.equal(output.at(-1)?.position, `r@${whole + 13 + 4 + 100 + 13 + 13 + 1_000}`, 'the gap counted')
    t.same(
      events.filter(({ type }) => type !== 'output'),
      [{ type: 'heartbeat' }, run, { type: 'gap', missing: 100, position: 'r@1143' }, result],
    )
  }
})

t.test('an answer in JSON is understood too', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-output-'))
  const server = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': '9' })
    response.end(
      '{"type":"log","stream":"stdout","time":3,"data":"aGk=","position":"r@15"}\n{"type":"heartbeat"}\n',
    )
  })
  await new Promise<void>((resolve) => server.listen(join(directory, 'socket'), resolve))
  t.teardown(() => {
    server.close()
    removeTree(directory)
  })
  const events: OutputStreamEvent[] = []
  const transport = createTransport(`unix://${join(directory, 'socket')}`)
  for await (const event of transport.output('GET', '/v1/x')) events.push(event)
  t.same(events, [
    { type: 'output', stream: 'stdout', time: 3, data: Buffer.from('hi'), position: 'r@15' },
    { type: 'heartbeat' },
  ])
})

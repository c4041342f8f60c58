import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { request } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { definitionOf } from '../../src/client/graph/graph.ts'
import { createTransport } from '../../src/client/index.ts'
import type { LogEntry, Moorage } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'
import { cliPath, type OwnDaemon, ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(240_000)

const root = mkdtempSync(join(tmpdir(), 'moorage-logs-'))
t.teardown(() => removeTree(root))
for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(root, name))
copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
for (const name of ['sh', 'sleep', 'seq', 'head', 'yes']) {
  symlinkSync('busybox', join(root, 'bin', name))
}

const talker = (moorage: Moorage, instance: string) =>
  moorage
    .container()
    .withRootfs(moorage.host.directory(root))
    .withExec(['sh', '-c', 'echo ready; echo careful >&2; exec sleep 1000'])
    .asService({ instance, grace: 0, stopTimeout: 100 })

const counter = (moorage: Moorage, lines: number) =>
  moorage
    .container()
    .withRootfs(moorage.host.directory(root))
    .withExec(['sh', '-c', `seq 1 ${lines}; echo ${lines} >&2; exec sleep 1000`])
    .asService({ grace: 0, stopTimeout: 100 })

const numbers = (lines: number) => Array.from({ length: lines }, (_, i) => `${i + 1}\n`).join('')

/** Reads until as much of a stream has come, and leaves. */
async function readUntil(
  entries: AsyncIterable<LogEntry>,
  stream: string,
  length: number,
): Promise<{ text: string; position: string | undefined; runs: string[] }> {
  const read = { text: '', position: undefined as string | undefined, runs: [] as string[] }
  for await (const entry of entries) {
    if (entry.type === 'run') read.runs.push(entry.run)
    if (entry.type !== 'output') continue
    read.position = entry.position
    if (entry.stream === stream) read.text += entry.data
    if (read.text.length >= length) return read
  }
  return read
}

const ask = (daemon: OwnDaemon, path: string, headers = {}) =>
  new Promise<string>((resolve, reject) => {
    request({ socketPath: daemon.host.replace('unix://', ''), path, headers, agent: false }, (response) => {
      text(response).then(resolve, reject)
    })
      .on('error', reject)
      .end()
  })

t.test('logs of services', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--log-limit', '1m')
  await using moorage = await daemon.connect()

  await t.test('all that late ones ask for is there, from any place on, in both forms', async (t) => {
    const service = counter(moorage, 20_000)
    await using _running = await service.start()
    const whole = numbers(20_000)
    const first = await readUntil(service.logs({ follow: true }), 'stdout', 1_000)
    t.ok(whole.startsWith(first.text))
    const rest = await readUntil(
      service.logs({ follow: true, after: first.position as string }),
      'stdout',
      whole.length - first.text.length,
    )
    t.equal(first.text + rest.text, whole, 'what was read in two parts is the whole, nothing twice')
    await readUntil(service.logs({ follow: true }), 'stderr', 6)
    t.same(rest.runs, first.runs)

    const id = (await service.hostname()).split('.')[0]
    const lines = (await ask(daemon, `/v1/services/${id}/logs`))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    const text = (stream: string) =>
      lines
        .filter((line) => line.type === 'log' && line.stream === stream)
        .map(({ data }) => Buffer.from(data, 'base64').toString())
        .join('')
    t.equal(text('stdout'), whole)
    t.equal(text('stderr'), '20000\n')
    const [middle] = lines.filter(({ type }) => type === 'log').slice(-1)
    t.match(middle.position, new RegExp(`^${first.runs[0]}@\\d+$`))
    t.equal(
      await ask(daemon, `/v1/services/${id}/logs?after=${middle.position}`),
      '',
      'from its end there is nothing',
    )
    t.match(await ask(daemon, `/v1/services/${id}/logs?after=nonsense`), /INVALID_OPTION/)
    t.match(
      await ask(daemon, `/v1/services/${id}/logs?after=another-1-x@7`),
      /^\{"type":"gap","missing":null\}\n\{"type":"run"/,
      'of a run that nobody remembers',
    )
    t.match(
      await ask(daemon, `/v1/services/${id}/logs?format=frames`),
      /"type":"run"[\s\S]*19999\n20000\n/,
      'as frames for who cannot set a header',
    )
    const grep = await daemon.cli('logs', '--grep', '^1999[0-2]$', id as string)
    t.same([grep.code, grep.stdout], [0, '19990\n19991\n19992\n'])
    const later = await daemon.cli('logs', '--since', '2099-01-01', id as string)
    t.same([later.code, later.stdout], [0, ''])
  })

  await t.test('who follows a service follows it through its restarts, and hears its end', async (t) => {
    const service = talker(moorage, 'restarted')
    await using _running = await service.start()
    const label = (await service.hostname()).split('.')[0] as string
    const cli = spawn(process.execPath, [cliPath, 'logs', '-f', '--json', label], {
      env: daemon.env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const said = text(cli.stdout)
    await once(cli.stdout, 'data')
    const entries = service.logs({ follow: true })
    const seen = { runs: new Set<string>(), ready: 0 }
    for await (const entry of entries) {
      if (entry.type === 'run') seen.runs.add(entry.run)
      if (entry.type !== 'output' || entry.stream !== 'stdout') continue
      seen.ready += 1
      if (seen.ready < 3) await service.restart()
      else await service.stop()
    }
    t.same([seen.runs.size, seen.ready], [3, 3], 'three runs, each from its start, and then the end')
    const documents = (await said)
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.same(
      documents.filter(({ type }) => type === 'run').map((one) => one.run),
      [...seen.runs],
    )
    t.match(
      documents.filter(({ stream }) => stream === 'stdout'),
      [1, 2, 3].map(() => ({ type: 'log', id: label, line: 'ready' })),
    )
  })

  await t.test('several at once have their names before their lines', async (t) => {
    const [one, other] = [talker(moorage, 'one'), talker(moorage, 'other')]
    await using _one = await one.start()
    await using _other = await other.start()
    const ids = await Promise.all([one, other].map(async (it) => (await it.hostname()).slice(0, 12)))
    // A service without ports is there as soon as its process is.
    for (const service of [one, other]) await readUntil(service.logs({ follow: true }), 'stderr', 8)
    const { stdout, stderr } = await daemon.cli('logs', ...ids)
    t.equal(stdout, ids.map((id) => `${id} | ready\n`).join(''))
    t.equal(stderr, ids.map((id) => `${id} | careful\n`).join(''))
  })

  await t.test('past the bound the beginning and the end are there, and the gap is told', async (t) => {
    const service = moorage
      .container()
      .withRootfs(moorage.host.directory(root))
      .withExec(['sh', '-c', 'echo first; yes 0123456 | head -c 8000000; echo last; exec sleep 1000'])
      .asService({ grace: 0, stopTimeout: 100 })
    await using _running = await service.start()
    let text = ''
    for await (const entry of service.logs({ follow: true })) {
      if (entry.type === 'output') text = (text + entry.data).slice(-100)
      if (text.endsWith('last\n')) break
    }
    let missing = 0
    let kept = ''
    for await (const entry of service.logs()) {
      if (entry.type === 'gap') missing += entry.missing ?? Number.NaN
      else if (entry.type === 'output') kept += entry.data
    }
    t.ok(kept.startsWith('first\n') && kept.endsWith('last\n'))
    t.ok(kept.length <= 1024 * 1024 && kept.length > 512 * 1024, `${kept.length} bytes kept`)
    const frames = (missing + kept.length - 8_000_011) / 13
    t.ok(Number.isInteger(frames) && frames >= 0, `all the others are missing: ${missing}`)
    const { code, stderr } = await daemon.cli('logs', (await service.hostname()).slice(0, 12))
    t.match(stderr, /\d+ bytes of output are no longer kept/)
    t.equal(code, 1)
  })

  await t.test('an evaluation’s output comes in either form, fresh or from the cache', async (t) => {
    const container = moorage
      .container()
      .withRootfs(moorage.host.directory(root))
      .withExec(['sh', '-c', 'seq 1 5000; echo done >&2'])
    const { vertex } = container.asService()
    // Reads the directory, and sends it where the daemon lacks it.
    await container.digest()
    const body = { definition: definitionOf(vertex), output: 'exitCode', logs: true }
    for (const accept of [undefined, 'application/x-ndjson', undefined]) {
      const read = { stdout: '', stderr: '', last: undefined as unknown, cached: false }
      const headers = accept === undefined ? {} : { accept }
      for await (const event of createTransport(daemon.host).output('POST', '/v1/evaluate', body, {
        headers,
      })) {
        if (event.type === 'output') read[event.stream] += event.data
        read.last = event
        if (event.type === 'result') read.cached = event.cachedAge !== undefined
      }
      t.equal(read.stdout, numbers(5_000))
      t.equal(read.stderr, 'done\n')
      t.match(read.last, { type: 'result', exitCode: 0 })
    }
  })

  await t.test('readers that never read hold up neither the service nor who reads', async (t) => {
    const service = moorage
      .container()
      .withRootfs(moorage.host.directory(root))
      .withExec([
        'sh',
        '-c',
        'sleep 0.5; echo first; yes 0123456 | head -c 40000000; echo last; exec sleep 1000',
      ])
      .asService({ grace: 0, stopTimeout: 100, instance: 'read by the dead' })
    await using _running = await service.start()
    const label = (await service.hostname()).split('.')[0]
    const sockets = Array.from({ length: 20 }, (_, i) => {
      const socket = connectSocket(daemon.host.replace('unix://', ''))
      const format = i % 2 === 0 ? 'frames' : 'json'
      socket.write(`GET /v1/services/${label}/logs?follow=1&format=${format} HTTP/1.1\r\nhost: x\r\n\r\n`)
      return socket.pause()
    })
    t.teardown(() => {
      for (const socket of sockets) socket.destroy()
    })
    let text = ''
    let bytes = 0
    for await (const entry of service.logs({ follow: true })) {
      if (entry.type === 'gap') bytes += entry.missing ?? Number.NaN
      if (entry.type !== 'output') continue
      bytes += entry.data.length
      text = (text + entry.data).slice(-100)
      if (text.endsWith('last\n')) break
    }
    t.ok(bytes >= 40_000_011, `${bytes} bytes were written, and each was read or told of`)
    await service.stop({ kill: true })
  })

  await t.test('a run’s output comes as bytes, whatever they are', async (t) => {
    const binary = moorage
      .container()
      .withRootfs(moorage.host.directory(root))
      .withExec(['sh', '-c', 'printf "\\377\\000\\n"; exec sleep 1000'])
      .asService({ grace: 0, stopTimeout: 100 })
    await using _running = await binary.start()
    const parts: Buffer[] = []
    for await (const entry of binary.logs({ follow: true })) {
      if (entry.type !== 'output') continue
      parts.push(entry.data)
      if (entry.data.at(-1) === 10) break
    }
    t.same([...Buffer.concat(parts)], [0xff, 0, 10])
  })
})

import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import t from 'tap'
import type { Moorage, ProgressEvent, StreamEvent } from '../../src/index.ts'
import { busyboxRoot } from './busybox-root.ts'
import { type OwnDaemon, ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('the events of a daemon', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const container = () => moorage.container().withRootfs(moorage.host.directory(root.path))
  const web = container()
    .withExposedPort(80)
    .withExec(['httpd', '-f', '-p', '80', '-h', '/w'])
    // As the first process of its namespace it hears no SIGTERM.
    .asService({ stopTimeout: 100 })

  await t.test('SDK, CLI and call tell the same, in order, with reasons', async (t) => {
    const call: ProgressEvent[] = []
    await container()
      .withServiceBinding('web', web)
      .withExec(['cat', '/etc/hosts'])
      .stdout({ onEvent: (event) => event.type === 'progress' && call.push(event) })
    await until('the service has stopped', async () =>
      (await moorage.status()).services.every(({ state }) => state === 'stopped'),
    )
    const all = await kept(moorage)
    t.same(
      call,
      all.filter(({ seq }) => seq <= (call.at(-1)?.seq ?? 0)),
      'a call alone in its daemon sees all, up to its end',
    )
    t.same(
      all.map(({ seq }) => seq),
      all.map((_, index) => index + 1),
      'numbered without gaps',
    )
    const story = all.map(
      (event) =>
        `${event.kind} ${event.state}${event.kind === 'service' && event.because ? ` ${event.because}` : ''}`,
    )
    t.same(
      story.filter((line) => !line.startsWith('check waiting')),
      [
        'exec waiting',
        'wait waiting',
        'service starting wanted',
        'service starting',
        'check passing',
        'service ready healthy',
        'lease taken',
        'exec running',
        'exec done',
        'lease released',
        'service stopping unused',
        'service stopped unused',
      ],
    )
    const cli = await daemon.cli('events', '--json')
    const lines = cli.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.same(
      lines.slice(1).map(({ seq, kind, state }) => ({ seq, kind, state })),
      all.map(({ seq, kind, state }) => ({ seq, kind, state })),
    )
    const text = await daemon.cli('events', '--since', '2')
    t.match(text.stdout, /^\S+ +3 service web \(\w{12}\): starting: run \w{12} wants it\n/)
    t.equal(text.stdout.trim().split('\n').length, all.length - 2)
  })

  await t.test('a cached answer is told of with its age', async (t) => {
    const call: ProgressEvent[] = []
    await container()
      .withServiceBinding('web', web)
      .withExec(['cat', '/etc/hosts'])
      .stdout({ onEvent: (event) => event.type === 'progress' && call.push(event) })
    t.equal(call.length, 1)
    t.match(call[0], { kind: 'exec', state: 'cached', exitCode: 0, age: Number })
  })

  await t.test('a failure is a state, with its reason and its code', async (t) => {
    const call: ProgressEvent[] = []
    const failing = container().withExec(['sh', '-c', 'exit 7'])
    await t.rejects(failing.stdout({ onEvent: (event) => event.type === 'progress' && call.push(event) }))
    t.match(call.at(-1), { kind: 'exec', state: 'failed', exitCode: 7 })
    const exits = container().withExposedPort(80).withExec(['sh', '-c', 'exit 3'])
    await t.rejects(
      container()
        .withServiceBinding('web', exits)
        .withExec(['true'])
        .stdout({ onEvent: (event) => event.type === 'progress' && call.push(event) }),
    )
    t.ok(
      call.some((event) => event.kind === 'service' && event.because === 'exited' && event.exitCode === 3),
      'the service’s',
    )
    t.match(call.at(-1), { kind: 'exec', state: 'failed', detail: /aliased as web.*code 3/ })
  })

  await t.test('who attaches late is told from the start', async (t) => {
    const go = `go-${process.pid}`
    const volume = moorage.cacheVolume('late')
    const run = container()
      .withServiceBinding('web', web)
      .withMountedCache('/late', volume)
      .withExec(['sh', '-c', `while ! test -e /late/${go}; do usleep 5000; done; echo went`])
    const first: StreamEvent[] = []
    const late: StreamEvent[] = []
    const one = run.stdout({ onEvent: (event) => first.push(event) })
    await until('it runs', () =>
      first.some((event) => event.type === 'progress' && event.kind === 'exec' && event.state === 'running'),
    )
    const before = [...first]
    const two = run.stdout({ onEvent: (event) => late.push(event) })
    await until('the late one is told of it', () => late.length >= before.length)
    t.same(late.slice(0, before.length), before)
    await container()
      .withMountedCache('/late', volume)
      .withExec(['sh', '-c', `echo > /late/${go}`])
      .sync()
    t.same(await Promise.all([one, two]), ['went\n', 'went\n'])
    t.same(late, first)
  })

  await t.test('a stream goes on where another ended, and says what is gone', async (t) => {
    const log = await header(moorage)
    const seen: number[] = []
    const abort = new AbortController()
    for await (const event of moorage.events({ since: log.latest - 3, log: log.log, signal: abort.signal })) {
      if (event.type === 'events') t.match(event, { missed: 0, log: log.log })
      else if (event.type === 'progress') seen.push(event.seq)
      if (seen.length === 2) break
    }
    const [, last = 0] = seen
    for await (const event of moorage.events({ since: last })) {
      if (event.type !== 'progress') continue
      t.equal(event.seq, last + 1)
      break
    }
    for (const other of [{ since: 1, log: 'another' }, { since: log.latest + 1_000 }]) {
      for await (const event of moorage.events(other)) {
        t.match(event, { type: 'events', missed: null }, 'of an earlier life')
        break
      }
    }
    await t.rejects(moorage.events({ since: -1 }).next(), { code: 'INVALID_OPTION' })
  })

  await t.test('only what comes, while it comes', async (t) => {
    const coming = moorage.events({ since: 'latest' })
    const first = await coming.next()
    const latest = first.value?.type === 'events' ? first.value.latest : 0
    const next = coming.next()
    await container().withExec(['echo', 'now']).sync()
    t.match((await next).value, { seq: latest + 1 })
    for await (const event of coming) if (event.type === 'progress' && event.name === 'echo now') break
  })

  await t.test('a thousand open streams are told everything', async (t) => {
    const before = openFiles(daemon)
    const streams = await Promise.all(Array.from({ length: 1_000 }, () => open(daemon)))
    const from = (await header(moorage)).latest
    await container().withExec(['echo', 'to all']).sync()
    const to = (await header(moorage)).latest
    t.ok(to > from)
    await Promise.all(
      streams.map(async ({ response, told }) => {
        while (!told().includes(`"seq":${to},`)) await once(response, 'data')
      }),
    )
    for (const { response } of streams) response.destroy()
    await until('they are gone', () => openFiles(daemon) < before + 10)
  })
})

t.test('the numbers begin anew with the next daemon, which says so', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  let log = ''
  for (const life of [1, 2]) {
    await using daemon = await startDaemon(directories)
    await using moorage = await daemon.connect()
    await moorage.container().withRootfs(moorage.host.directory(root.path)).withExec(['true']).sync()
    const found = await header(moorage)
    if (life === 1) log = found.log
    else {
      t.not(found.log, log)
      const [, first] = await take(moorage.events({ since: 1, log }), 2)
      t.match(first, { seq: 1, kind: 'exec', state: 'cached' })
    }
  }
})

async function header(moorage: Moorage) {
  for await (const event of moorage.events({ since: 'latest' })) if (event.type === 'events') return event
  throw new Error('no header')
}

/** What is kept, by the time of the call. */
async function kept(moorage: Moorage): Promise<ProgressEvent[]> {
  const { latest } = await header(moorage)
  const all: ProgressEvent[] = []
  for await (const event of moorage.events()) {
    if (event.type === 'progress') all.push(event)
    if (all.at(-1)?.seq === latest) break
  }
  return all
}

async function take<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const item of items) if (taken.push(item) === count) break
  return taken
}

/** A stream of events by itself. */
async function open({ host }: OwnDaemon): Promise<{ response: IncomingMessage; told: () => string }> {
  const request = httpRequest({
    socketPath: host.replace('unix://', ''),
    path: '/v1/events?follow=1&since=latest',
    agent: false,
  })
  request.end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const pieces: Buffer[] = []
  response.on('data', (piece) => pieces.push(piece))
  response.on('error', () => undefined)
  return { response, told: () => Buffer.concat(pieces).toString() }
}

function openFiles({ process }: OwnDaemon): number {
  return readdirSync(`/proc/${process.pid}/fd`).length
}

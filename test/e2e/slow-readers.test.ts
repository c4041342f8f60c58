import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { definitionOf } from '../../src/client/graph/graph.ts'
import { createTransport } from '../../src/client/index.ts'
import type { Container, Directory, Moorage } from '../../src/index.ts'
import { cliPath, type OwnDaemon, ownDirectories, startDaemon } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

const long = process.env.MOORAGE_LONG === '1'
t.setTimeout(long ? 900_000 : 240_000)
const MiB = 1024 * 1024
/** Of the daemon: far less than is written here. */
const limit = 2 * MiB
const size = long ? 1_000_000_000 : 40 * MiB

const box = (moorage: Moorage, root: Directory, script: string, options = {}): Container =>
  moorage.container().withRootfs(root).withExec(['sh', '-c', script], options)

/** Reads the output of a command, and waits after each piece. */
async function read(
  daemon: OwnDaemon,
  container: Container,
  wait: (bytes: number) => Promise<void>,
  fields = {},
): Promise<{ stdout: number; stderr: number; last: unknown }> {
  const counts = { stdout: 0, stderr: 0 }
  const body = { definition: definitionOf(container.vertex), output: 'exitCode', logs: true, ...fields }
  let last: unknown
  for await (const event of createTransport(daemon.host).output('POST', '/v1/evaluate', body)) {
    if (event.type === 'gap') throw new Error(`${event.missing} bytes are missing`)
    if (event.type === 'output') {
      counts[event.stream] += event.data.length
      await wait(counts.stdout + counts.stderr)
    } else last = event
  }
  return { ...counts, last }
}

/** Sends a request, and never reads the answer: a client that is stopped. */
function neverRead(daemon: OwnDaemon, container: Container, fields = {}) {
  const asked = request({
    socketPath: daemon.host.replace('unix://', ''),
    method: 'POST',
    path: '/v1/evaluate',
    headers: { 'content-type': 'application/json', accept: 'application/vnd.moorage.frames' },
  })
  const body = { definition: definitionOf(container.vertex), output: 'exitCode', logs: true, ...fields }
  asked.end(JSON.stringify(body))
  asked.on('error', () => undefined)
  return { answered: once(asked, 'response'), leave: () => asked.destroy() }
}

t.test('nothing of an output is lost, however much it is and however slowly it is read', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories, '--log-limit', String(limit))
  await using moorage = await daemon.connect()
  const root = moorage.host.directory(rootfs.path)
  // What is described from a host directory needs it sent.
  await box(moorage, root, 'true').sync()

  await t.test('of a run, to a slow reader (C05)', async (t) => {
    let waited = 0
    const script = `head -c ${size} /dev/zero; head -c 100000 /dev/zero >&2; exit 7`
    const all = await read(
      daemon,
      box(moorage, root, script, { expect: 'any' }),
      async (bytes) => {
        if (bytes < waited * (size / 20)) return
        waited += 1
        await sleep(30)
      },
      { own: true },
    )
    t.match(all, { stdout: size, stderr: 100_000, last: { type: 'result', exitCode: 7 } })
  })

  await t.test('a reader that stops holds up the run, and lets it go when it goes on', async (t) => {
    const script = `head -c ${8 * MiB} /dev/zero; echo over > /w/over`
    const volume = moorage.cacheVolume('held')
    const writer = moorage
      .container()
      .withRootfs(root)
      .withMountedCache('/w', volume)
      .withExec(['sh', '-c', script])
    const isOver = () =>
      moorage
        .container()
        .withRootfs(root)
        .withMountedCache('/w', volume)
        .withExec(['sh', '-c', 'test -e /w/over'], { expect: 'any', noCache: true })
        .exitCode()
    let first = true
    const all = await read(daemon, writer, async () => {
      if (!first) return
      first = false
      await sleep(1_500)
      t.equal(await isOver(), 1, 'it waits for its reader')
    })
    t.equal(all.stdout, 8 * MiB)
    t.equal(await isOver(), 0)
  })

  await t.test('of a command in a service (C05b)', async (t) => {
    const service = box(moorage, root, 'exec sleep 1000').asService({ grace: 0, stopTimeout: 100 })
    await using running = await service.start()
    const label = await running.digest()
    t.ok(label)
    const { services } = await createTransport(daemon.host).call<{ services: { id: string }[] }>(
      'GET',
      '/v1/services',
    )
    const id = services[0]?.id
    let bytes = 0
    let waited = 0
    const path = `/v1/services/${id}/exec`
    const body = { args: ['sh', '-c', `head -c ${size} /dev/zero; echo end >&2`] }
    const seen: string[] = []
    for await (const event of createTransport(daemon.host).output('POST', path, body)) {
      if (event.type !== 'output') {
        seen.push(event.type)
        continue
      }
      bytes += event.data.length
      if (bytes < waited * (size / 20)) continue
      waited += 1
      await sleep(30)
    }
    t.equal(bytes, size + 4)
    t.same(
      seen.filter((type) => type !== 'heartbeat' && type !== 'run'),
      ['result'],
    )
    // The SDK's own way to read it.
    const { stdout } = await running.exec(['sh', '-c', `head -c ${8 * MiB} /dev/zero`])
    t.equal(stdout.length, 8 * MiB)
  })

  await t.test('of stdout(), with another stream above all that is kept', async (t) => {
    for (const [mine, other] of [
      ['stdout', 'stderr'],
      ['stderr', 'stdout'],
    ] as const) {
      const redirect = other === 'stderr' ? '>&2' : ''
      const say = mine === 'stderr' ? '>&2' : ''
      const script = `echo begin ${say}; head -c ${10 * MiB} /dev/zero ${redirect}; echo end ${say}`
      for (const options of [{}, { noCache: true }]) {
        const container = box(moorage, root, script, options)
        const answers = await Promise.all([container[mine](), container.exitCode(), container[mine]()])
        t.same(answers, ['begin\nend\n', 0, 'begin\nend\n'], `${mine} ${JSON.stringify(options)}`)
        t.equal((await container[other]()).length, 10 * MiB)
        t.equal(await container[mine](), 'begin\nend\n', 'later')
      }
    }
    const much = box(moorage, root, `head -c ${17 * MiB} /dev/zero; echo x >&2`)
    await t.rejects(much.stdout(), { code: 'OUTPUT_TOO_LARGE' })
    t.equal(await much.stderr(), 'x\n')
  })

  await t.test('several: a slow one fails alone, the others and the run go on', async (t) => {
    // Both are attached before much is written.
    const script = `echo begin; sleep 1; head -c ${size} /dev/zero`
    const container = box(moorage, root, script)
    const stopped = neverRead(daemon, container)
    await stopped.answered
    const done = Promise.withResolvers<void>()
    const slow = read(daemon, container, (bytes) => (bytes > 6 ? done.promise : Promise.resolve()))
    const fast = await read(daemon, container, async () => undefined)
    done.resolve()
    t.match(fast, { stdout: size + 6, last: { type: 'result', exitCode: 0 } })
    t.match(await slow, { last: { type: 'error', error: { code: 'OUTPUT_LOST' } } })
    stopped.leave()
  })

  await t.test('one that comes too late for all of it fails, and the run goes on', async (t) => {
    const container = box(moorage, root, `head -c ${8 * MiB} /dev/zero; sleep 2; echo end >&2`)
    const first = container.stderr()
    await sleep(1_500)
    t.match(await read(daemon, container, async () => undefined), {
      last: { type: 'error', error: { code: 'OUTPUT_LOST' } },
    })
    t.equal(await first, 'end\n')
    t.match(await read(daemon, container, async () => undefined), {
      last: { type: 'error', error: { code: 'OUTPUT_LOST' } },
    })
  })

  await t.test('a caller that only waits for the end is not held up', async (t) => {
    const container = box(moorage, root, `echo begin; sleep 1; head -c ${8 * MiB} /dev/zero`)
    const stopped = neverRead(daemon, container)
    await stopped.answered
    t.equal(await container.exitCode(), 0)
    stopped.leave()
  })

  await t.test('a run whose reader goes is ended', async (t) => {
    const container = box(moorage, root, 'exec yes')
    const stopped = neverRead(daemon, container)
    await stopped.answered
    await sleep(500)
    stopped.leave()
    for (;;) {
      const { runs } = await createTransport(daemon.host).call<{ runs: { state: string }[] }>(
        'GET',
        '/v1/runs',
      )
      if (!runs.some(({ state }) => state === 'running')) break
      await sleep(50)
    }
    t.pass('it has ended')
  })

  await t.test('a follower of a service’s log that does not read holds up nobody (F23)', async (t) => {
    const service = box(
      moorage,
      root,
      `sleep 0.5; head -c ${8 * MiB} /dev/zero; echo over > /tmp/over; exec sleep 1000`,
    ).asService({ grace: 0, stopTimeout: 100 })
    await using running = await service.start()
    const logs = running.logs({ follow: true })[Symbol.asyncIterator]()
    await logs.next()
    for (;;) {
      const { exitCode } = await running.exec(['test', '-e', '/tmp/over'], { expect: 'any' })
      if (exitCode === 0) break
      await sleep(50)
    }
    await logs.return?.(undefined)
    t.pass('it went on')
  })

  await t.test('the daemon stops with runs that are held up', async (t) => {
    const stopped = neverRead(daemon, box(moorage, root, 'exec yes held'))
    await stopped.answered
    await sleep(500)
    t.equal(await daemon.stop(), 0)
  })
})

t.test('`run | slow reader` of the command line, byte for byte (C05, C05b)', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories)
  const image = 'mmdebstrap:bookworm?packages=busybox-static&unpacked'
  t.equal((await daemon.cli('run', '-q', image, 'true')).code, 0, 'the image is there')
  // Above what is kept, in either mode.
  const bytes = long ? 1_000_000_000 : 100_000_000
  const all = `head -c ${bytes} /dev/zero | tr '\\0' x; printf end`
  const expected = createHash('sha256')
  for (let left = bytes; left > 0; left -= MiB) expected.update(Buffer.alloc(Math.min(left, MiB), 'x'))
  const digest = expected.update('end').digest('hex')

  /** Runs a command, and reads it at some 100 MB/s, with a pause at first. */
  const slowly = async (args: readonly string[]) => {
    const child = spawn(process.execPath, [cliPath, ...args], {
      env: daemon.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const exited = once(child, 'exit')
    const words = text(child.stderr)
    const hash = createHash('sha256')
    await sleep(1_000)
    let pause = 0
    for await (const piece of child.stdout) {
      hash.update(piece as Buffer)
      pause += (piece as Buffer).length
      if (pause < 4 * MiB) continue
      pause = 0
      await sleep(40)
    }
    const [code] = await exited
    return { code, digest: hash.digest('hex'), words: await words }
  }
  t.same(await slowly(['run', '-q', image, 'sh', '-c', all]), { code: 0, digest, words: '' })
  const start = await daemon.cli('start', '-q', '--hostname', 'c1', image, 'sleep', '100000')
  t.equal(start.code, 0)
  t.same(await slowly(['exec', 'c1', 'sh', '-c', all]), { code: 0, digest, words: '' })
  await daemon.cli('stop', 'c1')
})

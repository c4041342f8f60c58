import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { followLog, lastBytes, openLogWriter, readLog, readStream } from '../../src/logs/index.ts'
import { removeTree } from '../remove-tree.ts'

function directory(t: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'moorage-logs-'))
  t.teardown(() => removeTree(path))
  return path
}

async function textOf(frames: AsyncIterable<{ stream: string; data: Buffer }>): Promise<string> {
  let text = ''
  for await (const { stream, data } of frames) text += `${stream}: ${data}`
  return text
}

t.test('what was written is read, in order, each stream by itself and its tail', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log)
  writer.append('stdout', Buffer.from('one\n'), 1)
  writer.append('stderr', Buffer.from('two\n'), 2)
  writer.append('stdout', Buffer.from('three\n'), 3)
  t.equal(
    await textOf(readLog(log)),
    'stdout: one\nstderr: two\nstdout: three\n',
    'while it is being written',
  )
  writer.end()
  t.equal(
    await textOf(readLog(log, { ended: new AbortController().signal })),
    'stdout: one\nstderr: two\nstdout: three\n',
  )
  t.equal(String(await readStream(log, 'stdout', { limit: 100 })), 'one\nthree\n')
  t.equal(await readStream(log, 'stdout', { limit: 5 }), 'too long', 'more than was asked for')
  const { stdout, stderr } = await lastBytes(log, 6)
  t.equal(String(stdout), 'three\n')
  t.equal(String(stderr), 'two\n')
})

t.test(
  'past its limit a log keeps its beginning and its end, and says how much is missing between',
  async (t) => {
    const log = directory(t)
    const writer = openLogWriter(log, { limit: 1024 * 1024 })
    const line = Buffer.alloc(10_000, 'x')
    for (let i = 0; i < 1_000; i += 1) writer.append('stdout', line, i)
    writer.end()
    const times: number[] = []
    let missing = 0
    let kept = 0
    for await (const { stream, time, data } of readLog(log)) {
      if (stream === 'stdout') {
        times.push(time)
        kept += data.length
      } else missing += Number(/(\d+) bytes/.exec(String(data))?.[1])
    }
    t.equal(times[0], 0)
    t.equal(times.at(-1), 999)
    t.ok(kept <= 1.2 * 1024 * 1024, `${kept} bytes kept`)
    t.equal(kept + 13 * times.length + missing, 1_000 * (10_000 + 13), 'nothing is unaccounted for')
  },
)

t.test('followers in this process see what another process writes, without gap or repetition', async (t) => {
  const log = directory(t)
  const lines = 20_000
  const program = `
    import { openLogWriter } from ${JSON.stringify(join(import.meta.dirname, '../../src/logs/index.ts'))}
    const writer = openLogWriter(${JSON.stringify(log)})
    for (let i = 0; i < ${lines}; i += 1) {
      writer.append('stdout', Buffer.from(i + '\\n'), i)
      if (i % 500 === 0) await new Promise(setImmediate)
    }
    writer.end()`
  const ended = new AbortController().signal
  const readers = [1, 2, 3].map(async () => {
    let text = ''
    for await (const { data } of readLog(log, { ended })) text += data
    return text
  })
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  t.equal(code, 0)
  const expected = Array.from({ length: lines }, (_, i) => `${i}\n`).join('')
  for (const text of await Promise.all(readers)) t.ok(text === expected, 'the whole of it')
})

t.test('a writer that was killed ends the log when that is known', async (t) => {
  const log = directory(t)
  openLogWriter(log).append('stdout', Buffer.from('last words'), 1)
  const gone = new AbortController()
  const reading = textOf(readLog(log, { ended: gone.signal }))
  gone.abort()
  t.equal(await reading, 'stdout: last words')
})

t.test('a reader that goes stops at once', async (t) => {
  const log = directory(t)
  openLogWriter(log).append('stdout', Buffer.from('x'), 1)
  const stop = new AbortController()
  const reading = textOf(readLog(log, { ended: new AbortController().signal, signal: stop.signal }))
  stop.abort(new Error('enough'))
  await t.rejects(reading, { message: 'enough' })
})

t.test('a log is read on through its directory’s descriptor while it is moved', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log)
  writer.append('stdout', Buffer.from('before '), 1)
  const { openSync, closeSync } = await import('node:fs')
  const descriptor = openSync(log, 'r')
  t.teardown(() => closeSync(descriptor))
  const reading = textOf(readLog(`/proc/self/fd/${descriptor}`, { ended: new AbortController().signal }))
  const moved = `${log}-moved`
  renameSync(log, moved)
  t.teardown(() => removeTree(moved))
  writer.append('stdout', Buffer.from('after'), 2)
  writer.end()
  t.equal(await reading, 'stdout: before stdout: after')
})

t.test('the tail of a log that goes over many segments is exact', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log, { limit: 4 * 1024 * 1024 })
  let stdout = ''
  writer.append('stderr', Buffer.from('early\n'), 0)
  for (let i = 0; i < 100_000; i += 1) {
    stdout += `line ${i}\n`
    writer.append('stdout', Buffer.from(`line ${i}\n`), i)
  }
  const tail = await lastBytes(log, 65_536)
  t.equal(String(tail.stdout), stdout.slice(-65_536))
  t.equal(String(tail.stderr), 'early\n', 'a stream that was silent for long')
  writer.end()
})

t.test('a stream of a log that was not kept whole is not given as if it were', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log, { limit: 1024 * 1024 })
  writer.append('stderr', Buffer.from('short\n'), 0)
  for (let i = 0; i < 200; i += 1) writer.append('stdout', Buffer.alloc(10_000, 'x'), i)
  writer.end()
  t.equal(await readStream(log, 'stderr', { limit: 1_000 }), 'not kept')
})

t.test('a reader that falls behind what is kept goes on after the gap, and holds up nobody', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log, { limit: 1024 * 1024 })
  const line = Buffer.alloc(10_000, 'x')
  writer.append('stdout', line, 0)
  const reading = readLog(log, { ended: new AbortController().signal })
  t.match(await reading.next(), { value: { time: 0 } })
  for (let i = 1; i < 1_000; i += 1) writer.append('stdout', line, i)
  writer.end()
  const times = [0]
  let missing = 0
  for await (const frame of reading) {
    if (frame.missing === undefined) times.push(frame.time)
    else missing += frame.missing
  }
  t.equal(times.at(-1), 999)
  t.ok(
    times.every((time, i) => i === 0 || time > (times[i - 1] ?? 0)),
    'no repetition',
  )
  t.equal(times.length + missing / (10_000 + 13), 1_000, 'what is not there is counted')
})

t.test('a full disk does not end the writer, and readers see what is missing', async (t) => {
  const log = directory(t)
  const program = `
    import { openLogWriter, readLog } from ${JSON.stringify(join(import.meta.dirname, '../../src/logs/index.ts'))}
    import { writeFileSync, rmSync } from 'node:fs'
    const log = ${JSON.stringify(log)}
    const errors = []
    const writer = openLogWriter(log, { onError: ({ code }) => errors.push(code) })
    writer.append('stdout', Buffer.from('before\\n'), 1)
    try { writeFileSync(log + '/ballast', Buffer.alloc(1_000_000)) } catch {}
    for (let i = 0; i < 10; i += 1) writer.append('stdout', Buffer.alloc(60_000, 'x'), 2)
    rmSync(log + '/ballast')
    writer.end()
    let text = ''
    let missing = 0
    for await (const frame of readLog(log, { ended: new AbortController().signal })) {
      if (frame.missing === undefined && frame.time === 1) text += frame.data
      missing += frame.missing ?? 0
    }
    console.log(JSON.stringify({ errors, text, missing: missing > 500_000 }))`
  const script = `mount -t tmpfs -o size=512k none "$0" && exec "$1" --input-type=module -e "$2"`
  const child = spawn('unshare', ['--mount', 'sh', '-c', script, log, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  t.same(await once(child, 'close'), [0, null])
  t.same(JSON.parse(output), { errors: ['ENOSPC'], text: 'before\n', missing: true })
})

t.test('where the kernel has no watches left, followers look by themselves', async (t) => {
  const log = directory(t)
  const program = `
    import { openLogWriter, readLog } from ${JSON.stringify(join(import.meta.dirname, '../../src/logs/index.ts'))}
    import { watch } from 'node:fs'
    const log = ${JSON.stringify(log)}
    // A reader keeps no process alive.
    const alive = setInterval(() => undefined, 1_000)
    let refused
    try { watch(log).close() } catch (error) { refused = error.code }
    const writer = openLogWriter(log)
    writer.append('stdout', Buffer.from('one '), 1)
    setTimeout(() => writer.append('stdout', Buffer.from('two '), 1), 20)
    setTimeout(() => writer.end(), 50)
    let text = ''
    for await (const { data } of readLog(log, { ended: new AbortController().signal })) text += data
    console.log(JSON.stringify({ refused, text }))
    clearInterval(alive)`
  const script = `echo 0 > /proc/sys/user/max_inotify_watches && exec "$0" --input-type=module -e "$1"`
  const child = spawn(
    'unshare',
    ['--user', '--map-root-user', 'sh', '-c', script, process.execPath, program],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  t.same(await once(child, 'close'), [0, null])
  t.same(JSON.parse(output), { refused: 'ENOSPC', text: 'one two ' })
})

t.test(
  'a reader that goes to sleep in a segment that is dropped holds no disk space, and hears of it',
  async (t) => {
    const log = directory(t)
    const writer = openLogWriter(log, { limit: 1024 * 1024 })
    const line = Buffer.alloc(10_000, 'x')
    for (let i = 0; i < 20; i += 1) writer.append('stdout', line, i)
    const reading = followLog(log, { ended: new AbortController().signal })
    await reading.next()
    for (let i = 20; i < 2_000; i += 1) writer.append('stdout', line, i)
    writer.end()
    const held = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`)
      } catch {
        return '' // the listing's own
      }
    })
    t.notOk(
      held.some((target) => target.startsWith(`${log}/`)),
      'no segment is open',
    )
    let missing = 0
    for await (const piece of reading) if ('missing' in piece) missing += piece.missing
    t.ok(missing > 1_000_000, `${missing} bytes are missing`)
  },
)

t.test('the tail of a stream that has been silent for long is what the beginning has of it', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log)
  const flood = Buffer.alloc(256 * 1024, 'x')
  writer.append('stderr', Buffer.from('begun\n'), 0)
  for (let i = 0; i < 30; i += 1) writer.append('stdout', flood, i)
  writer.append('stderr', Buffer.from('too far back to be looked for\n'), 0)
  for (let i = 0; i < 100; i += 1) writer.append('stdout', flood, i)
  writer.end()
  const { stdout, stderr } = await lastBytes(log, 4_096)
  t.equal(stdout.length, 4_096)
  t.equal(String(stderr), 'begun\n')
})

t.test('fifty followers of a log share one watcher and one descriptor, and leave none', async (t) => {
  const log = directory(t)
  const writer = openLogWriter(log)
  writer.append('stdout', Buffer.from('one '), 1)
  const ended = new AbortController().signal
  const before = held()
  const followers = Array.from({ length: 50 }, () => followLog(log, { ended }))
  await Promise.all(followers.map((one) => one.next()))
  const during = held()
  t.same([during.watches - before.watches, during.directories(log)], [1, 1])
  const rest = followers.map(async (one) => {
    let text = ''
    for await (const piece of one) if ('bytes' in piece) text += piece.bytes.subarray(13)
    return text
  })
  writer.append('stdout', Buffer.from('two'), 2)
  writer.end()
  t.same(new Set(await Promise.all(rest)), new Set(['two']))
  t.same([held().watches - before.watches, held().directories(log)], [0, 0])
})

/** Counts what this process holds: inotify watches, and descriptors of a directory. */
function held() {
  const fds = readdirSync('/proc/self/fd')
  const of = (path: string, read: (path: string) => string) =>
    fds.map((fd) => {
      try {
        return read(`${path}/${fd}`)
      } catch {
        return '' // the listing's own
      }
    })
  const info = of('/proc/self/fdinfo', (path) => readFileSync(path, 'utf8'))
  const targets = of('/proc/self/fd', (path) => readlinkSync(path))
  return {
    watches: info.join('\n').split('inotify wd:').length - 1,
    directories: (path: string) => targets.filter((target) => target === path).length,
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { openLogWriter, readLog, readStream, tailLog } from '../../src/logs/index.ts'

function directory(t: { teardown(fn: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'moorage-logs-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
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
  t.equal(await readStream(log, 'stdout', { limit: 5 }), undefined, 'more than was asked for')
  const { stdout, stderr } = await tailLog(log, 6)
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
  t.teardown(() => rmSync(moved, { recursive: true }))
  writer.append('stdout', Buffer.from('after'), 2)
  writer.end()
  t.equal(await reading, 'stdout: before stdout: after')
})

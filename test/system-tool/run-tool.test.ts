import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { fullDiskError, lastWords, runTool, toolError } from '../../src/system-tool/index.ts'

const shell = (script: string): [string, string[]] => ['sh', ['-c', script]]

t.test('code, output and words of a tool', async (t) => {
  const { code, stdout, stderr } = await runTool(...shell('echo out; echo "$LC_ALL" >&2; exit 3'), {
    env: { ...process.env, LC_ALL: 'de_DE.UTF-8' },
  })
  t.same([code, String(stdout), stderr], [3, 'out\n', 'C\n'])
  t.equal((await runTool(...shell('kill -9 $$'))).code, null)
  const empty = await runTool('cat', [])
  t.same([empty.code, String(empty.stdout)], [0, ''], 'its standard input is empty')
})

t.test('a tool that is not there', async (t) => {
  const missing = { code: 'RUNTIME_MISSING', message: /no-such-tool/ }
  await t.rejects(runTool('no-such-tool', []), missing)
  await t.rejects(runTool('cat', [], { input: { command: 'no-such-tool', args: [] } }), missing)
  const env = { PATH: '/nowhere' }
  const cause = { code: 'ENOENT' }
  await t.rejects(runTool('cat', [], { env }), { code: 'RUNTIME_MISSING', message: /setpriv/, cause })
  const onOutput = async () => undefined
  await t.rejects(runTool('cat', [], { env, onOutput }), { code: 'RUNTIME_MISSING', message: /setpriv/ })
})

t.test('an abort kills the tool with all that it has started, and is the error', async (t) => {
  const abort = new AbortController()
  const pids = Promise.withResolvers<number[]>()
  const running = runTool(...shell('sleep 1000 & echo $$ $!; wait'), {
    signal: abort.signal,
    onOutput: async (piece) => pids.resolve(String(piece).trim().split(' ').map(Number)),
  })
  const [leader, child] = await pids.promise
  t.ok(isAlive(leader) && isAlive(child))
  abort.abort(new Error('not wanted any more'))
  await t.rejects(running, { message: 'not wanted any more' })
  t.notOk(isAlive(leader) || isAlive(child))
  await t.rejects(runTool('true', [], { signal: abort.signal }), { message: 'not wanted any more' })
})

t.test('a tool dies with the process that started it', async (t) => {
  const program = `
    import { runTool } from '${new URL('../../src/system-tool/index.ts', import.meta.url).href}'
    await runTool('sh', ['-c', 'echo $$; exec sleep 1000'], {
      onOutput: async (piece) => void process.stdout.write(piece),
    })`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = await once(parent.stdout, 'data')
  const pid = Number(line)
  t.ok(isAlive(pid))
  parent.kill('SIGKILL')
  await once(parent, 'exit')
  for (let tries = 0; tries < 100 && isAlive(pid); tries += 1) await sleep(10)
  t.notOk(isAlive(pid))
})

t.test(
  'output is taken piece by piece, as fast as it is taken; an error of the taker ends the tool',
  async (t) => {
    let length = 0
    const { stdout } = await runTool('head', ['--bytes=20000000', '/dev/zero'], {
      onOutput: async (piece) => {
        length += piece.length
      },
    })
    t.same([length, stdout.length], [20_000_000, 0])
    let pid = 0
    const failing = runTool(...shell('echo $$; exec sleep 1000'), {
      onOutput: async (piece) => {
        pid = Number(piece)
        throw new Error('enough')
      },
    })
    await t.rejects(failing, { message: 'enough' })
    t.notOk(pid === 0 || isAlive(pid), 'it has ended before its error is told')
  },
)

t.test('output that is returned is bounded', async (t) => {
  await t.rejects(runTool('yes', []), { message: 'yes wrote more than 8388608 bytes' })
  const { stderr } = await runTool(...shell('head -c 200000 /dev/zero | tr "\\0" x >&2; echo end >&2'))
  t.equal(stderr.length, 64 * 1024)
  t.match(stderr, /xend\n$/)
})

t.test('a stream, or the output of another tool, is its input', async (t) => {
  const fromStream = await runTool('cat', [], { input: Readable.from(['one ', 'two']) })
  t.equal(String(fromStream.stdout), 'one two')
  const endless = new Readable({ read: (size) => void endless.push('x'.repeat(size)) })
  t.equal(String((await runTool('head', ['-c', '3'], { input: endless })).stdout), 'xxx')
  const broken = new Readable({ read: () => void broken.destroy(new Error('gone')) })
  t.equal(String((await runTool('cat', [], { input: broken })).stdout), '')

  const input = { command: 'find', args: ['.', '-name', '*.test.ts'], cwd: import.meta.dirname }
  const { stdout } = await runTool('grep', ['run-tool'], { input })
  t.equal(String(stdout), './run-tool.test.ts\n')
  const [command, args] = shell('echo half; echo lost >&2; exit 4')
  t.match(await runTool('cat', [], { input: { command, args } }), { code: 4, stderr: 'lost\n' })
})

t.test('a tool that a signal killed has not succeeded, nor has one whose feeder was killed', async (t) => {
  const [command, args] = shell('kill -9 $$')
  t.equal((await runTool('cat', [], { input: { command, args } })).code, null)
})

t.test("paths of this process's descriptors", async (t) => {
  const directory = openSync(import.meta.dirname, 'r')
  t.teardown(() => closeSync(directory))
  const path = `/proc/self/fd/${directory}`
  const { stdout } = await runTool('cat', [`${path}/run-tool.test.ts`])
  t.ok(stdout.equals(readFileSync(import.meta.filename)))
  t.equal(String((await runTool('ls', [], { cwd: path })).stdout), 'run-tool.test.ts\n')
})

t.test('errors from what a tool said', async (t) => {
  t.equal(lastWords('a\n\n  b \r\nc\nd\n'), 'b; c; d')
  t.equal(lastWords(''), 'it said nothing')
  t.equal(toolError('cp to /x', { code: 1, stderr: 'no\n' }).message, 'cp to /x: no')
  t.equal(
    toolError('cp to /x', { code: null, stderr: '' }).message,
    'cp to /x: it was killed; it said nothing',
  )
  t.match(fullDiskError("cp: error writing 'x': No space left on device\n", 'a copy', '/state'), {
    code: 'DISK_FULL',
    message: /a copy.*\/state/,
    cause: { message: "cp: error writing 'x': No space left on device" },
  })
  t.match(fullDiskError('tar: ./f: Wrote only 7168 of 10240 bytes\n', 'x', '/state'), { code: 'DISK_FULL' })
  t.equal(fullDiskError('cp: permission denied', 'a copy', '/state'), undefined)
})

function isAlive(pid: number | undefined): boolean {
  try {
    // A zombie has ended, though nobody has waited for it yet.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

import { readdirSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { json } from 'node:stream/consumers'
import t from 'tap'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

/** The processes of this host whose command line begins with these words. */
function processesOf(...words: string[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').startsWith(words.join('\0'))
      } catch {
        return false
      }
    })
}

const directories = ownDirectories()
const rootfs = ownRootfs()
const daemon = await startDaemon(directories, '--grace', '0')
const moorage = await daemon.connect()
const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path))
/** Its first process takes no notice of SIGTERM. */
const brief = { stopTimeout: 50 }
t.teardown(async () => {
  await moorage.close()
  await daemon.stop()
  rootfs[Symbol.dispose]()
  directories[Symbol.dispose]()
})

t.test('a command in a service is over when its first process is (L01)', async (t) => {
  await using service = await box.withHostname('c1').withExec(['sleep', '1000']).asService(brief).start()
  const began = Date.now()
  const { stdout } = await service.exec(['sh', '-c', 'sleep 60 & echo done'])
  t.equal(stdout, 'done\n')
  t.match(await daemon.cli('exec', 'c1', 'sh', '-c', 'sleep 60 & echo done; exit 4'), {
    code: 4,
    stdout: 'done\n',
  })
  t.ok(Date.now() - began < 20_000)
})

t.test('a command’s output goes to pipes, as a run’s does (F15)', async (t) => {
  await using service = await box.withHostname('c2').withExec(['sleep', '1000']).asService(brief).start()
  const words = ['sh', '-c', 'echo hi >/dev/stdout; echo oh >/dev/stderr']
  t.match(await service.exec(words), { stdout: 'hi\n', stderr: 'oh\n' })
  t.match(await daemon.cli('exec', 'c2', ...words), { code: 0, stdout: 'hi\n', stderr: 'oh\n' })
})

t.test('users that a process becomes may write to /dev/stdout, too (F15c)', async (t) => {
  const words = ['su', 'other', '-c', 'id -u >/dev/stdout; echo oh >/dev/stderr']
  const withUser = box.withNewFile('/etc/passwd', 'root:x:0:0::/:/bin/sh\nother:x:999:999::/:/bin/sh\n')
  t.equal(await withUser.withExec(words).stdout(), '999\n')
  await using service = await withUser.withExec(['sleep', '1000']).asService(brief).start()
  t.match(await service.exec(words), { stdout: '999\n', stderr: 'oh\n' })
})

t.test('a health check counts by its exit code, whatever goes on in the background (L01b)', async (t) => {
  const check = { exec: ['sh', '-c', 'sleep 30 & true'] }
  await using service = await box.withExec(['sleep', '60']).withHealthcheck(check).asService(brief).start()
  const hostname = await service.hostname()
  const row = (await moorage.status()).services.find(({ label }) => hostname.startsWith(label))
  t.equal(row?.state, 'ready')
})

t.test('a health check may write to /dev/stderr (F15b)', async (t) => {
  const check = { exec: ['sh', '-ec', 'echo ok >/dev/stderr; echo ok >/dev/stdout'] }
  await using service = await box.withExec(['sleep', '60']).withHealthcheck(check).asService(brief).start()
  const hostname = await service.hostname()
  const row = (await moorage.status()).services.find(({ label }) => hostname.startsWith(label))
  t.equal(row?.state, 'ready')
})

t.test('of an attempt that took too long nothing is left (L02)', async (t) => {
  const command = 'sleep 1471 | cat & setsid sleep 1471 & trap "" TERM; sleep 1471; sleep 1471'
  const started = box
    .withHealthcheck({ exec: ['sh', '-c', command], timeout: 300, interval: 300 })
    .withExec(['sleep', '600'])
    .asService({ ...brief, startTimeout: 6_000 })
    .start()
    .catch((error) => error)
  let most = 0
  const watch = setInterval(() => {
    most = Math.max(most, processesOf('sleep', '1471').length)
  }, 20)
  const error = await started
  clearInterval(watch)
  t.match(error, { code: 'HEALTH_TIMEOUT' })
  t.ok(most > 0)
  t.ok(most <= 5 * 3, `${most} at once: those of attempts that are being ended`)
  await until('none is left', () => processesOf('sleep', '1471').length === 0)
})

t.test('a command ends with its caller, and all that it has started (L02)', async (t) => {
  const cancel = new AbortController()
  await using running = await box.withExec(['sleep', '1000']).asService(brief).start()
  const call = running
    .exec(['sh', '-c', 'sleep 1472 | cat; sleep 1472'], { signal: cancel.signal })
    .catch((error) => error)
  await until('it runs', () => processesOf('sleep', '1472').length > 0)
  cancel.abort()
  t.match(await call, { name: /./ })
  await until('none is left', () => processesOf('sleep', '1472').length === 0)
})

/** Asks the daemon as another client would, which checks nothing. */
function ask(path: string, body: unknown): Promise<{ error?: { code: string; message: string } }> {
  return new Promise((resolve, reject) => {
    const socketPath = daemon.host.replace('unix://', '')
    const asked = request({
      socketPath,
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
    })
    asked.on('error', reject)
    asked.on('response', (response) => resolve(json(response) as Promise<object>))
    asked.end(JSON.stringify(body))
  })
}

t.test('the daemon refuses what the kernel would not take, whoever asks (C04, C04b, C04c)', async (t) => {
  const long = 'x'.repeat(200_000)
  const definition = (fields: object) => ({
    ops: [{ op: 'scratch' }, { op: 'exec', input: 0, args: ['true'], ...fields }],
    root: 1,
  })
  const cases: [fields: object, message: RegExp][] = [
    [{ env: [['BIG', long]] }, /variable "BIG".*131072/],
    [{ args: ['echo', long] }, /args\.1: .*131072/],
    [{ args: Array(30).fill('x'.repeat(100_000)) }, /ARG_MAX/],
  ]
  for (const [fields, message] of cases) {
    const { error } = await ask('/v1/evaluate', { definition: definition(fields), output: 'sync' })
    t.match(error, { code: 'INVALID_DEFINITION', message })
    t.ok((error?.message.length ?? 0) < 1_000)
    const start = { definition: definition(fields), service: {}, detach: true }
    t.match((await ask('/v1/services', start)).error, { code: 'INVALID_DEFINITION', message })
  }
  await using service = await box.withExec(['sleep', '1000']).asService(brief).start()
  t.match(await service.exec(['echo', long]).catch((error) => error), {
    code: 'INVALID_OPTION',
    message: /131072/,
  })
  const many = Array(30).fill('x'.repeat(100_000))
  t.match(await service.exec(['echo', ...many]).catch((error) => error), { message: /ARG_MAX/ })
})

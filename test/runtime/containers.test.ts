import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readLog } from '../../src/logs/index.ts'
import { ownRuntime, until, wholeOf } from './own-runtime.ts'

const place = await ownRuntime()
t.teardown(() => place[Symbol.asyncDispose]())
const { run, start } = place

t.test('a container exits with its command’s code', async (t) => {
  for (const code of [0, 1, 42, 125]) {
    t.match(await run(['sh', '-c', `exit ${code}`]), { code, signal: null })
  }
})

t.test('a container that a signal ended exits with 128 and its number', async (t) => {
  const container = await start(['sleep', '1000'])
  await container.signal('SIGKILL')
  t.same(await container.exited, { code: 137, signal: 'SIGKILL' })
  await container.signal('SIGKILL')
  t.same(
    await run(['sh', '-c', 'sh -c "kill -TERM \\$\\$"; exit $?']).then(({ code }) => code),
    143,
    'of its own command',
  )
})

t.test('a signal reaches the first process', async (t) => {
  const container = await start([
    'sh',
    '-c',
    'trap "echo caught; exit 7" TERM; echo ready; while :; do sleep 0.01; done',
  ])
  for await (const { data } of readLog(container.spec.logs, { ended: new AbortController().signal })) {
    if (String(data).includes('ready')) await container.signal('SIGTERM')
  }
  t.same(await container.exited, { code: 7, signal: null })
  t.equal(String(await wholeOf(container.spec, 'stdout')), 'ready\ncaught\n')
})

t.test('a real-time signal reaches the first process, and is named where one ended it (L10)', async (t) => {
  const trap = 'trap "echo caught; exit 7" 37; echo ready; while :; do sleep 0.01; done'
  const container = await start(['sh', '-c', trap])
  for await (const { data } of readLog(container.spec.logs, { ended: new AbortController().signal })) {
    if (String(data).includes('ready')) await container.signal('SIGRTMIN+3')
  }
  t.same(await container.exited, { code: 7, signal: null })
  t.same(
    await run(['sh', '-c', 'kill -63 $$; sleep 5']).then(({ code }) => code),
    0,
    'a first process ignores its own',
  )
  const killed = await start(['sh', '-c', 'trap "exit 9" TERM; sh -c "kill -63 \\$\\$"; exit $?'])
  t.equal((await killed.exited).code, 128 + 63)
})

t.test('all output is in the log when a container has ended, each stream for itself', async (t) => {
  const bytes = 10_000_000
  const { spec } = await run(['sh', '-c', `yes 0123456 | head -c ${bytes}; echo last; echo first >&2`])
  const stdout = await wholeOf(spec, 'stdout')
  t.equal(stdout.length, bytes + 5)
  t.ok(stdout.equals(Buffer.from(`${'0123456\n'.repeat(bytes / 8)}last\n`)), 'byte for byte')
  t.equal(String(await wholeOf(spec, 'stderr')), 'first\n')
})

t.test('output has the order in which it was written', async (t) => {
  const { spec } = await run([
    'sh',
    '-c',
    'for i in 1 2 3; do echo o$i; sleep 0.05; echo e$i >&2; sleep 0.05; done',
  ])
  let text = ''
  let last = 0
  for await (const { data, time } of readLog(spec.logs)) {
    text += data
    t.ok(time >= last && Date.now() - time < 10_000, 'with the time')
    last = time
  }
  t.equal(text, 'o1\ne1\no2\ne2\no3\ne3\n')
})

t.test('a container can open its own output and error by name, also as a user', async (t) => {
  for (const user of ['', 'worker']) {
    const { stdout, stderr, code } = await run(
      ['sh', '-c', 'echo out > /dev/stdout; echo err > /dev/stderr; echo fd > /proc/self/fd/1'],
      { user },
    )
    t.same([stdout, stderr, code], ['out\nfd\n', 'err\n', 0], user || 'root')
  }
  t.equal(statSync('/dev/null').uid, 0, 'and the host’s /dev/null is still root’s')
})

t.test('standard input is what was given, then ends', async (t) => {
  t.match(await run(['cat'], { stdin: 'line one\nline zwei ü\n' }), {
    stdout: 'line one\nline zwei ü\n',
    code: 0,
  })
  t.match(await run(['cat']), { stdout: '', code: 0 }, 'nothing, if nothing was given')
  const large = 'x'.repeat(3_000_000)
  t.equal(
    (await run(['wc', '-c'], { stdin: large })).stdout.trim(),
    String(large.length),
    'however much it is',
  )
})

t.test('environment, host name and working directory are those asked for', async (t) => {
  const { stdout } = await run(['sh', '-c', 'echo $NAME; hostname; pwd; echo $HOME; echo $PATH'], {
    env: ['NAME=value = more'],
    workdir: '/made/for/it',
  })
  t.same(stdout.split('\n').slice(0, 4), ['value = more', 'berth', '/made/for/it', '/root'])
  t.match(stdout, '/usr/bin:', 'there is a PATH where the image has none')
  t.match(await run(['sh', '-c', 'echo $HOME'], { env: ['HOME=/elsewhere'] }), { stdout: '/elsewhere\n' })
})

t.test('the user is the image’s, by name or number, with its groups', async (t) => {
  const id = async (user: string) =>
    (await run(['sh', '-c', 'id -u; id -g; id -G; echo $HOME'], { user })).stdout.split('\n')
  t.same((await id('worker')).slice(0, 4), ['1000', '1001', '1001 1002', '/home/worker'])
  t.same((await id('1000')).slice(0, 2), ['1000', '1001'])
  t.same((await id('worker:crew')).slice(0, 3), ['1000', '1002', '1002'])
  t.same((await id('4711:12')).slice(0, 4), ['4711', '12', '12', '/'], 'a number need not be in /etc/passwd')
  t.same((await id('')).slice(0, 2), ['0', '0'])
})

t.test('two containers run at once and see nothing of each other', async (t) => {
  const script = 'echo mine > /mine; while [ ! -e /go ]; do sleep 0.01; done; ls /; ps | wc -l'
  const [one, two] = await Promise.all([start(['sh', '-c', script]), start(['sh', '-c', script])])
  await until('both have written', () =>
    [one, two].every(({ spec }) => readdirSync(spec.upper).includes('mine')),
  )
  t.not(one.pid, two.pid)
  await two.signal('SIGKILL')
  t.same(await two.exited, { code: 137, signal: 'SIGKILL' })
  await one.signal('SIGKILL')
  t.same(await one.exited, { code: 137, signal: 'SIGKILL' })
})

t.test('many containers at once all end as they should', async (t) => {
  const codes = Array.from({ length: 24 }, (_, i) => i)
  const ran = await Promise.all(codes.map((code) => run(['sh', '-c', `echo ${code}; exit ${code}`])))
  t.same(
    ran.map(({ code, stdout }) => [code, stdout]),
    codes.map((code) => [code, `${code}\n`]),
  )
})

t.test('what a container mounts is there, and read-only if so asked', async (t) => {
  const volume = join(place.base, 'volume')
  const hosts = join(place.base, 'hosts')
  mkdirSync(volume)
  writeFileSync(hosts, '127.0.0.1 localhost\n')
  const { stdout, stderr, spec } = await run(
    [
      'sh',
      '-c',
      'cat /etc/hosts; echo kept > /data/deep/file; echo no > /etc/hosts; chmod +x /data/deep; true',
    ],
    {
      mounts: [
        { type: 'bind', source: volume, destination: '/data/deep', readonly: false },
        { type: 'bind', source: hosts, destination: '/etc/hosts', readonly: true },
      ],
    },
  )
  t.equal(stdout, '127.0.0.1 localhost\n')
  t.match(stderr, 'Read-only file system')
  t.equal(readFileSync(join(volume, 'file'), 'utf8'), 'kept\n')
  t.same(readdirSync(spec.upper), [], 'no mount point stays in what it wrote')
})

t.test('a command that stands in a mounted directory is found', async (t) => {
  const tools = join(place.base, 'tools')
  mkdirSync(tools)
  writeFileSync(join(tools, 'tool'), '#!/bin/sh\necho tool $0 $1\n', { mode: 0o755 })
  const mounts = [{ type: 'bind' as const, source: tools, destination: '/opt/tools', readonly: true }]
  t.match(await run(['/opt/tools/tool', 'a'], { mounts }), { stdout: 'tool /opt/tools/tool a\n' })
  t.match(await run(['tool', 'b'], { mounts, env: ['PATH=/bin:/opt/tools'] }), {
    stdout: 'tool /opt/tools/tool b\n',
  })
})

t.test('what a container wrote is in its upper directory, and is a layer for the next', async (t) => {
  const first = await run(['sh', '-c', 'echo one > /one; rm /bin/vi; mkdir /dir'])
  t.same(readdirSync(first.spec.upper).sort(), ['bin', 'dir', 'one'])
  const lowers = [first.spec.upper, place.rootfs]
  t.match(await run(['sh', '-c', 'cat /one; test -e /bin/vi; echo $?; ls -d /dir'], { lowers }), {
    stdout: 'one\n1\n/dir\n',
  })
})

t.test('a hundred layers are as good as one', async (t) => {
  const layers = Array.from({ length: 100 }, (_, i) => {
    const layer = join(place.base, `layer-${i}`)
    mkdirSync(layer)
    writeFileSync(join(layer, `file-${i}`), '')
    return layer
  })
  t.match(await run(['sh', '-c', 'ls /file-* | wc -l'], { lowers: [...layers, place.rootfs] }), {
    stdout: '100\n',
  })
})

t.test('a start that is cancelled leaves nothing', async (t) => {
  const cancel = new AbortController()
  const spec = place.spec(['sleep', '1000'])
  const starting = place.runtime.start(spec, { signal: cancel.signal })
  cancel.abort(new Error('no longer wanted'))
  await t.rejects(starting, { message: 'no longer wanted' })
  await t.rejects(place.runtime.start(spec, { signal: cancel.signal }), { message: 'no longer wanted' })
})

t.test('runc does as well where crun cannot', async (t) => {
  await using other = await ownRuntime({ ociRuntime: 'runc' })
  const { code, stdout, stderr } = await other.run(
    ['sh', '-c', 'grep Seccomp: /proc/self/status; cat; echo e > /dev/stderr; exit 9'],
    { stdin: 'in\n' },
  )
  t.same([code, stdout, stderr], [9, 'Seccomp:\t2\nin\n', 'e\n'])
})

t.test('a runtime that is closed has ended everything and leaves nothing', async (t) => {
  const other = await ownRuntime()
  t.teardown(() => other[Symbol.asyncDispose]())
  const containers = await Promise.all([1, 2, 3].map(() => other.start(['sleep', '1000'])))
  await other.runtime.close()
  for (const { exited } of containers) t.same(await exited, { code: 137, signal: 'SIGKILL' })
  t.same(other.left(), [])
  t.same(other.problems, [])
  await t.rejects(other.start(['true']), { code: 'RUNTIME_FAILED' })
})

t.test('nothing went wrong unseen', async (t) => {
  t.same(place.problems, [])
})

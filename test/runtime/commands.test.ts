import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { matchesFormat } from '../../src/runtime/oci/command/program-format.ts'
import { RefusalWatch } from '../../src/runtime/oci/command/refusal-words.ts'
import type { ContainerMount, ContainerSpec } from '../../src/runtime/runtime.ts'
import { ownRuntime } from './own-runtime.ts'

const place = await ownRuntime()
t.teardown(() => place[Symbol.asyncDispose]())
const root = (path: string) => join(place.rootfs, path)

function script(path: string, content: string | Buffer, mode = 0o755): void {
  writeFileSync(root(path), content)
  chmodSync(root(path), mode)
}

for (const directory of ['app', 'private', 'usr/bin', 'opt', 'root', 'w'])
  mkdirSync(root(directory), { recursive: true })
script('app/crlf', '#!/bin/sh\r\necho hi\r\n')
script('app/crlf-argument', '#!/bin/sh -e\r\necho hi\r\n')
script('app/no-bang', 'echo hi\n')
script('app/empty', '')
script('app/bare', '#!\n')
script('app/blank', '#! \t /bin/sh\necho blank\n')
script('app/relative', '#!bin/sh\necho relative\n')
script('app/nested', '#!/app/blank\n')
script('app/nested-bad', '#!/app/crlf\n')
script('app/self', '#!/app/self\n')
script('app/to-directory', '#!/bin\n')
script('app/closed-interpreter', '#!/app/closed\n')
script('app/closed', '#!/bin/sh\n', 0o644)
script('app/long', `#!/${'x'.repeat(300)}\n`)
script('app/truncated', Buffer.from('\x7fELF\x02\x01\x01', 'latin1'))
const foreign = Buffer.alloc(64)
foreign.write('\x7fELF\x02\x01\x01', 0, 'latin1')
foreign.writeUInt16LE(2, 16)
foreign.writeUInt16LE(22, 18)
script('app/s390', foreign)
script('private/true', '#!/bin/sh\necho ran\n')
chmodSync(root('private'), 0o700)
symlinkSync('loop', root('app/loop'))
symlinkSync('/opt/tool/app', root('usr/bin/app'))
symlinkSync('/opt/tool', root('opt/link'))
symlinkSync('/nowhere', root('w/dangling'))
symlinkSync('/w', root('w/fine'))
copyFileSync('/usr/bin/busybox', root('app/cat'))
execFileSync('setcap', ['cap_ipc_lock+ep', root('app/cat')])
copyFileSync('/usr/bin/busybox', root('app/tr'))
execFileSync('setcap', ['cap_ipc_lock+p', root('app/tr')])

type Case = [what: string, args: string[], changes: Partial<ContainerSpec>, code: string, words: RegExp]
const not = 'COMMAND_NOT_EXECUTABLE'
const refusals: Case[] = [
  [
    'a script of Windows (F07)',
    ['/app/crlf'],
    {},
    not,
    /interpreter "\/bin\/sh\\r" \(it ends in a carriage return/,
  ],
  ['no #! (F07b)', ['/app/no-bang'], {}, not, /neither a program nor a script \(no #!\)/],
  ['an empty file (F07c)', ['/app/empty'], {}, not, /empty file/],
  ['#! alone', ['/app/bare'], {}, not, /names no interpreter/],
  [
    'an interpreter with a bad interpreter',
    ['/app/nested-bad'],
    {},
    not,
    /interpreter \/app\/crlf cannot be executed: .*carriage/,
  ],
  ['a script that is its own interpreter', ['/app/self'], {}, not, /more than 5 one after the other/],
  [
    'a directory as interpreter',
    ['/app/to-directory'],
    {},
    not,
    /interpreter \/bin cannot be executed: it is a directory/,
  ],
  [
    'an interpreter without the right',
    ['/app/closed-interpreter'],
    {},
    not,
    /\/app\/closed lacks the execute permission/,
  ],
  ['an interpreter that is too long', ['/app/long'], {}, not, /more than 256 bytes/],
  ['a program that was cut off', ['/app/truncated'], {}, not, /cut off/],
  ['a program for another machine', ['/app/s390'], {}, not, /program for s390x, and this machine is/],
  ['a loop of links', ['/app/loop'], {}, not, /loop of links/],
  [
    'capabilities that the container lacks (F06)',
    ['/app/cat', '/etc/passwd'],
    {},
    not,
    /cap_ipc_lock.*add: \['IPC_LOCK'\]/,
  ],
  [
    'a directory that the user may not search (F08)',
    ['/private/true'],
    { user: '1000:1000' },
    not,
    /permission denied.*\/private/,
  ],
  [
    'that of root without DAC_OVERRIDE',
    ['/private/own/true'],
    { user: '0', resources: { capabilities: { drop: ['ALL'] } } },
    not,
    /permission denied/,
  ],
  [
    'a working directory that the user may not enter (F08)',
    ['true'],
    { user: '1000', workdir: '/private' },
    not,
    /working directory \/private: permission denied/,
  ],
  [
    'a file as working directory (F12)',
    ['true'],
    { workdir: '/etc/passwd' },
    not,
    /working directory \/etc\/passwd: .*not a directory/,
  ],
  ['one below a file', ['true'], { workdir: '/etc/passwd/x' }, not, /working directory .*not a directory/],
  [
    'a link to nowhere as working directory (F12)',
    ['true'],
    { workdir: '/w/dangling' },
    not,
    /\/w\/dangling: .*leads nowhere/,
  ],
  ['a loop as working directory', ['true'], { workdir: '/app/loop' }, not, /loop/],
  ['a path through a file', ['/etc/passwd/true'], {}, 'COMMAND_NOT_FOUND', /passwd/],
]
mkdirSync(root('private/own'))
chownSync(root('private/own'), 1000, 1000)
chmodSync(root('private/own'), 0o700)
writeFileSync(root('private/own/true'), '')

t.test('what the kernel would refuse is refused before, with the reason', async (t) => {
  for (const [what, args, changes, code, message] of refusals) {
    const spec = place.spec(args, changes)
    await t.rejects(place.runtime.start(spec), { code, message }, what)
    t.same(readdirSync(spec.upper), [], 'and nothing was written')
  }
})

t.test('a command in a container is refused alike (F07d)', async (t) => {
  const container = await place.start(['sleep', '1000'])
  for (const [what, args, changes, code, message] of refusals) {
    if (Object.keys(changes).length > 0) continue
    await t.rejects(container.exec({ args }), { code, message }, what)
  }
  await container.signal('SIGKILL')
  await container.exited
})

t.test('what the kernel would execute runs', async (t) => {
  const stdout = async (args: string[], changes: Partial<ContainerSpec> = {}) => {
    const { code, stdout, stderr } = await place.run(args, changes)
    return code === 0 ? stdout : `${code} ${stderr}`
  }
  t.equal(await stdout(['/app/blank']), 'blank\n', 'blanks after #!')
  t.equal(await stdout(['/app/relative']), 'relative\n', 'an interpreter by a relative path')
  t.equal(await stdout(['/app/nested']), 'blank\n', 'a script whose interpreter is a script')
  t.equal(
    await stdout(['/app/cat', '/etc/group'], { resources: { capabilities: { add: ['IPC_LOCK'] } } }).then(
      (text) => text.split(':')[0],
    ),
    'root',
    'file capabilities that were added (F06)',
  )
  t.match(
    await stdout(['/app/tr', 'a', 'b'], { stdin: 'a' }),
    /^b/,
    'file capabilities that are only permitted',
  )
  t.equal(await stdout(['/private/true']), 'ran\n', 'root may search')
  t.equal(await stdout(['pwd'], { workdir: '/w/fine' }), '/w\n', 'a working directory by a link')
  t.equal(await stdout(['pwd'], { workdir: '/made/here' }), '/made/here\n', 'one that is missing is made')
})

t.test('a program without rights to its working directory is not helped by root’s (F08)', async (t) => {
  const { stdout } = await place.run(
    ['sh', '-c', 'grep Cap /proc/self/status; cat /private/true || echo denied'],
    { user: '1000' },
  )
  t.match(stdout, /CapEff:\s*0+\n/)
  t.match(stdout, 'denied')
})

t.test('links are followed from one mount into another, and back', async (t) => {
  const tool = join(place.base, 'tool')
  mkdirSync(tool)
  writeFileSync(join(tool, 'app'), '#!/bin/sh\necho app\n', { mode: 0o755 })
  symlinkSync('/opt/tool/app', join(tool, 'own'))
  symlinkSync('/app/blank', join(tool, 'back'))
  symlinkSync('../../app/blank', join(tool, 'back-relative'))
  symlinkSync('/usr/bin/app', join(tool, 'forth-and-back'))
  const mount = (destination: string): ContainerMount => ({
    type: 'bind',
    source: tool,
    destination,
    readonly: true,
  })
  const runs: [what: string, args: string[], destination: string, words: string][] = [
    ['a link of the image into a mount (F09)', ['app'], '/opt/tool', 'app\n'],
    ['through a directory that is a link (F09b)', ['/opt/link/app'], '/opt/tool', 'app\n'],
    ['an absolute link to the mount’s own path (F09b)', ['/opt/tool/own'], '/opt/tool', 'app\n'],
    ['a link that leads back (F09b)', ['/opt/tool/back'], '/opt/tool', 'blank\n'],
    ['a relative one', ['/opt/tool/back-relative'], '/opt/tool', 'blank\n'],
    ['forth and back', ['/opt/tool/forth-and-back'], '/opt/tool', 'app\n'],
    ['by PATH', ['own'], '/opt/tool', 'app\n'],
    ['a mount below a link (F09c)', ['/usr/lnk/m/app'], '/bin/m', 'app\n'],
    ['.. out of a mount', ['/opt/tool/../tool/app'], '/opt/tool', 'app\n'],
  ]
  symlinkSync('/bin', root('usr/lnk'))
  for (const [what, args, destination, words] of runs) {
    const env = ['PATH=/usr/bin:/bin:/opt/tool']
    t.match(await place.run(args, { env, mounts: [mount(destination)] }), { code: 0, stdout: words }, what)
    const container = await place.start(['sleep', '1000'], { env, mounts: [mount(destination)] })
    t.match(await container.exec({ args }), { code: 0, output: words }, `${what}, besides another command`)
    await container.signal('SIGKILL')
    await container.exited
  }
})

t.test('a command that the container put into memory is found', async (t) => {
  const container = await place.start(
    ['sh', '-c', 'printf "#!/bin/sh\\necho late\\n" >/t/late; chmod 755 /t/late; touch /t/ready; sleep 1000'],
    { mounts: [{ type: 'temporary', destination: '/t' }] },
  )
  while ((await container.exec({ args: ['test', '-e', '/t/ready'] })).code !== 0);
  t.match(await container.exec({ args: ['/t/late'] }), { code: 0, output: 'late\n' })
  await t.rejects(container.exec({ args: ['/t/none'] }), { code: 'COMMAND_NOT_FOUND' })
  await container.signal('SIGKILL')
  await container.exited
})

t.test('the words of an OCI runtime that could not become the command are no output', async (t) => {
  const seen: string[] = []
  const watch = (kind: 'crun' | 'runc') => {
    seen.length = 0
    return new RefusalWatch(kind, (stream, data) => seen.push(`${stream}: ${data}`) > 0)
  }
  const words = 'exec container process `/app`: Exec format error\n'
  const crun = watch('crun')
  crun.take('stderr', Buffer.from(words))
  t.equal(crun.end(1), 'exec format error')
  t.same(seen, [])
  const runc = watch('runc')
  runc.take('stderr', Buffer.from('exec /app: permission denied\n'))
  t.equal(runc.end(1), 'permission denied')
  t.same(seen, [])
  const other = watch('crun')
  other.take('stderr', Buffer.from(words))
  other.take('stdout', Buffer.from('more'))
  t.equal(other.end(1), undefined, 'whoever says more is a program')
  t.same(seen, [`stderr: ${words}`, 'stdout: more'])
  const well = watch('crun')
  well.take('stderr', Buffer.from(words))
  t.equal(well.end(0), undefined, 'and so is one that ends well')
  t.same(seen, [`stderr: ${words}`])
  const first = watch('runc')
  first.take('stdout', Buffer.from('x'))
  first.take('stderr', Buffer.from('exec /app: permission denied\n'))
  t.equal(first.end(1), undefined)
})

t.test('formats that the host has a helper for are left to the kernel', async (t) => {
  const entry = 'enabled\ninterpreter /usr/bin/qemu\nflags: F\noffset 0\nmagic 7f45004c\nmask ffff00ff\n'
  t.ok(matchesFormat(entry, Buffer.from('7f45994c00', 'hex')))
  t.notOk(matchesFormat(entry, Buffer.from('7f45994d00', 'hex')))
  t.notOk(matchesFormat(entry, Buffer.from('7f45', 'hex')), 'too short')
  t.notOk(matchesFormat(entry.replace('enabled', 'disabled'), Buffer.from('7f45994c00', 'hex')))
  t.notOk(matchesFormat('', Buffer.alloc(4)))
})

t.test('after all of these nothing is left', async (t) => {
  t.same(place.problems, [])
  await place.runtime.close()
  t.same(place.left(), [])
})

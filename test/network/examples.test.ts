/** The examples of containers and processes that somebody else started: each is run as its users would. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'

t.setTimeout(120_000)

const root = join(import.meta.dirname, '../..')

/** The program without what is no part of it: the comment before it, its imports. */
function linesOf(example: string): number {
  const code = readFileSync(join(root, 'examples', example), 'utf8').replace(/\/\*\*[\s\S]*?\*\/\n/, '')
  return code.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('import ')).length
}

function run(example: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(root, 'examples', example), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  return { child, ended: once(child, 'exit'), complained: text(child.stderr) }
}

t.test('two containers by plain crun: the one reaches the other by an alias', async (t) => {
  t.ok(linesOf('crun.ts') < 20, `${linesOf('crun.ts')} lines`)
  const bundle = mkdtempSync(join(tmpdir(), 'moorage-bundle-'))
  t.teardown(() => removeTree(bundle))
  for (const directory of ['bin', 'etc', 'proc', 'sys', 'dev'])
    mkdirSync(join(bundle, 'rootfs', directory), { recursive: true })
  copyFileSync('/bin/busybox', join(bundle, 'rootfs/bin/busybox'))
  for (const applet of ['sh', 'nc', 'sleep', 'echo'])
    symlinkSync('busybox', join(bundle, 'rootfs/bin', applet))
  for (const file of ['hosts', 'resolv.conf']) writeFileSync(join(bundle, 'rootfs/etc', file), '')
  execFileSync('crun', ['spec'], { cwd: bundle })
  const { child, ended, complained } = run('crun.ts', bundle)
  const said = await text(child.stdout)
  t.match(said, 'hello from db', await complained)
  t.same(await ended, [0, null])
})

t.test('a process that was started by hand: it has an alias, until it ends', async (t) => {
  t.ok(linesOf('process.ts') < 20, `${linesOf('process.ts')} lines`)
  const script = 'echo ready; read go; busybox nc postgres 5432 </dev/null; cat /etc/resolv.conf'
  const shell = spawn('unshare', ['--net', '--mount', 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.teardown(() => shell.kill('SIGKILL'))
  await once(shell.stdout, 'data')
  const { child, ended } = run('process.ts', String(shell.pid))
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  t.match(String(first), /^process \d+ has the address 10\./)
  const said = text(shell.stdout)
  shell.stdin.end('go\n')
  t.match(await said, /^hello from db\nnameserver 10\./)
  t.same(await ended, [0, null], 'when the process has ended, so does the program')
})

t.test('one that shares the host’s mounts is refused, before anything is touched', async (t) => {
  const { ended, complained } = run('process.ts', String(process.pid))
  t.match(await complained, 'has no mount namespace of its own')
  t.same(await ended, [1, null])
})

import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { ContainerMount } from '../../src/runtime/runtime.ts'
import { ownRuntime } from './own-runtime.ts'

const place = await ownRuntime()
t.teardown(() => place[Symbol.asyncDispose]())
const root = (path: string) => join(place.rootfs, path)

for (const directory of ['run', 'usr/lib', 'var/data', 'opt']) mkdirSync(root(directory), { recursive: true })
symlinkSync('/run', root('var/run'))
symlinkSync('usr/lib', root('lib'))
symlinkSync('/run', root('v'))
symlinkSync('/nowhere', root('data'))
symlinkSync('../made/by/whom', root('var/relative'))
symlinkSync('/run/systemd/resolve/stub-resolv.conf', root('etc/resolv.conf'))
symlinkSync('/opt/loop', root('opt/loop'))
symlinkSync('..', root('opt/top'))
writeFileSync(root('cfg'), 'file')

const source = join(place.base, 'source')
mkdirSync(source)
writeFileSync(join(source, 'seen'), 'seen\n')
const temporary = (destination: string): ContainerMount => ({ type: 'temporary', destination })
const directory = (destination: string): ContainerMount => ({
  type: 'bind',
  source,
  destination,
  readonly: false,
})
const file = (destination: string): ContainerMount => ({
  type: 'bind',
  source: join(source, 'seen'),
  destination,
  readonly: true,
})

/** All that a container has left in its upper directory. */
const left = (upper: string) => readdirSync(upper, { recursive: true, encoding: 'utf8' }).sort()

const test = (path: string, mount: ContainerMount) =>
  mount.type === 'temporary' ? `grep -q ' ${path} tmpfs' /proc/mounts` : `grep -rq seen ${path}`

const rows: [what: string, mount: ContainerMount, real: string][] = [
  ['memory through a link (F10)', temporary('/v/app'), '/run/app'],
  ['memory deep below a link', temporary('/v/a/b/c'), '/run/a/b/c'],
  ['a file through /var/run (F10b)', file('/var/run/app.sock'), '/run/app.sock'],
  ['a directory at /lib/x (F10b)', directory('/lib/x'), '/usr/lib/x'],
  ['a dangling link as a file (F10c)', file('/etc/resolv.conf'), '/run/systemd/resolve/stub-resolv.conf'],
  ['memory on a dangling link (F11)', temporary('/data'), '/nowhere'],
  ['a directory on a dangling link', directory('/data'), '/nowhere'],
  ['a directory on a relative one that dangles', directory('/var/relative'), '/made/by/whom'],
  ['a path through .. of a link', directory('/opt/top/run/z'), '/run/z'],
  ['what is there', directory('/var/data'), '/var/data'],
  ['what is not', directory('/a/b/c'), '/a/b/c'],
]

for (const [what, mount, real] of rows) {
  t.test(`a mount point is where the kernel finds it, and nothing of it stays: ${what}`, async (t) => {
    const { code, stderr, spec } = await place.run(['sh', '-c', test(real, mount)], { mounts: [mount] })
    t.equal(code, 0, stderr)
    t.same(left(spec.upper), [], 'nothing is left in the layer')
  })
}

t.test('an /etc that is a link gets its files where it leads (F10c)', async (t) => {
  const lower = join(place.base, 'etc-link')
  mkdirSync(lower)
  mkdirSync(join(lower, 'real'))
  symlinkSync('/real/etc', join(lower, 'etc'))
  const mounts = [file('/etc/hosts'), file('/etc/resolv.conf')]
  const bin = join(lower, 'bin')
  mkdirSync(bin)
  const { copyFileSync } = await import('node:fs')
  copyFileSync('/usr/bin/busybox', join(bin, 'busybox'))
  const run = (user: string) =>
    place.run(['/bin/busybox', 'cat', '/etc/hosts', '/etc/resolv.conf'], { lowers: [lower], mounts, user })
  for (const user of ['0', '1000']) {
    const { stdout, spec } = await run(user)
    t.equal(stdout, 'seen\nseen\n')
    t.same(left(spec.upper), [])
  }
})

t.test('a directory that a step removed hides no mount point, and does not come back', async (t) => {
  const first = await place.run([
    'sh',
    '-c',
    'rm -r /var/data /opt; mkdir /opt; chown 7:8 /opt; chmod 751 /opt',
  ])
  const lowers = [first.spec.upper, place.rootfs]
  utimesSync(join(first.spec.upper, 'opt'), 1_000, 1_000)
  const mounts = [directory('/var/data'), temporary('/opt/deep/er')]
  const script =
    'cat /var/data/seen; stat -c "%u:%g %a %Y" /opt; stat -c %a /var; ls /opt; grep -c "/opt/deep/er tmpfs" /proc/mounts'
  const second = await place.run(['sh', '-c', script], { lowers, mounts })
  t.equal(second.stdout, 'seen\n7:8 751 1000\n755\ndeep\n1\n', second.stderr)
  t.same(left(second.spec.upper), [])
})

t.test('a mount inside of another one, by whatever path, is not covered by it', async (t) => {
  const orders: ContainerMount[][] = [
    [temporary('/a/x'), temporary('/run')],
    [temporary('/run'), temporary('/v/x')],
    [temporary('/v/x/y'), directory('/v/x')],
  ]
  symlinkSync('/run', root('a'))
  for (const mounts of orders) {
    const paths = mounts.map(({ destination }) => destination)
    const script = `for p in ${paths.join(' ')}; do grep -q " $(readlink -f $p) " /proc/mounts || exit 1; done`
    const { code, stdout, stderr, spec } = await place.run(['sh', '-c', script], { mounts })
    t.equal(code, 0, `${paths}: ${stdout}${stderr}`)
    t.same(left(spec.upper), [])
  }
})

t.test('what cannot be mounted is a mistake in the definition, which names the mount (F11b)', async (t) => {
  const wrong: [mounts: ContainerMount[], words: RegExp][] = [
    [
      [temporary('/cfg')],
      /the mount at \/cfg: a directory cannot be mounted on \/cfg in test-image, which is a file/,
    ],
    [[directory('/cfg')], /the mount at \/cfg: /],
    [[file('/run')], /the mount at \/run: a file cannot be mounted on \/run/],
    [[file('/v')], /the mount at \/v: a file cannot be mounted on \/run/],
    [[temporary('/cfg/below')], /the mount at \/cfg\/below: \/cfg in test-image is not a directory/],
    [[temporary('/opt/loop')], /the mount at \/opt\/loop: .*loop of links/],
    [[directory('/opt/top')], /leads to the root/],
    [[file('/x'), temporary('/x/y')], /the mount at \/x\/y: \/x in test-image is not a directory/],
    [[directory('/m'), temporary('/m/seen')], /the mount at \/m\/seen: a directory cannot be mounted/],
    [[temporary('/proc/nonesuch')], /the mount at \/proc\/nonesuch: nothing can be made in \/proc/],
  ]
  for (const [mounts, message] of wrong) {
    const spec = place.spec(['true'], { mounts })
    await t.rejects(place.runtime.start(spec), { code: 'INVALID_DEFINITION', message }, String(message))
    t.same(left(spec.upper), [])
  }
})

t.test('owner and mode of what is mounted are its own', async (t) => {
  chownSync(source, 33, 44)
  chmodSync(source, 0o2750)
  const { stdout } = await place.run(['stat', '-c', '%u:%g %a', '/v/m'], { mounts: [directory('/v/m')] })
  t.equal(stdout, '33:44 2750\n')
  t.equal(statSync(source).mode & 0o7777, 0o2750)
})

t.test(
  'a directory in memory has owner and mode of the one below, or those that were asked for (F02)',
  async (t) => {
    mkdirSync(root('var/owned'))
    chownSync(root('var/owned'), 999, 998)
    chmodSync(root('var/owned'), 0o700)
    const stat = async (mount: ContainerMount, path = mount.destination) =>
      (await place.run(['stat', '-c', '%u:%g %a', path], { mounts: [mount] })).stdout
    t.equal(await stat(temporary('/var/owned')), '999:998 700\n')
    t.equal(await stat(temporary('/none/there')), '0:0 1777\n')
    t.equal(await stat(temporary('/v/none')), '0:0 1777\n')
    t.equal(
      await stat({ type: 'temporary', destination: '/run/app', owner: '999', mode: 0o750 }),
      '999:999 750\n',
    )
    t.equal(await stat({ type: 'temporary', destination: '/var/owned', mode: 0o755 }), '999:998 755\n')
  },
)

t.test('after all of these nothing is left', async (t) => {
  t.same(place.problems, [])
  await place.runtime.close()
  t.same(place.left(), [])
})

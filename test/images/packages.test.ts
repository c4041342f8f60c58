import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkImageTools } from '../../src/images/index.ts'
import { ownImages } from './own-images.ts'

/** Processes whose command line names a directory. */
function processesOf(directory: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory)
      } catch {
        return false
      }
    })
}

t.test('a root filesystem is made of Debian packages, once', async (t) => {
  await using own = await ownImages()
  const [image, same] = await Promise.all([
    own.images.resolve('mmdebstrap:bookworm?packages=hostname'),
    own.images.resolve('mmdebstrap:bookworm?packages=hostname'),
  ])
  t.same(image, same)
  t.match(image, { name: 'hostname', digest: /^sha256:[0-9a-f]{64}$/ })
  t.same(image.config, { entrypoint: [], cmd: [], env: [], user: '', workdir: '/', exposedPorts: [] })
  const inside = (...args: string[]) => execFileSync('chroot', [image.rootfs, ...args], { encoding: 'utf8' })
  t.match(inside('/bin/hostname', '--version'), /^hostname 3/, 'its program runs')
  t.equal(inside('/bin/sh', '-c', 'id -un; ls -ld /tmp | cut -c1-10').trim(), 'root\ndrwxrwxrwt')
  t.match(readFileSync(join(image.rootfs, 'etc/services'), 'utf8'), /^domain\s+53\/tcp/m)
  t.equal(readlinkSync(join(image.rootfs, 'bin')), 'usr/bin')
  t.same(readdirSync(join(image.rootfs, 'dev')), [], 'device nodes are the runtime’s')
  t.throws(() => statSync(join(image.rootfs, 'etc/resolv.conf')), 'nothing of this host is in it')
  t.equal(statSync(image.rootfs).mode & 0o777, 0o755)
  const began = performance.now()
  t.same(await own.images.resolve('mmdebstrap:bookworm?packages=hostname'), image)
  t.ok(performance.now() - began < 200, 'what is there is not made again')
  await own.tidied()
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
})

t.test('packages and suites that do not exist are told as that', async (t) => {
  await using own = await ownImages()
  await t.rejects(own.images.resolve('mmdebstrap:bookworm?packages=hostname,no-such-package'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /Unable to locate package no-such-package/,
  })
  await t.rejects(own.images.resolve('mmdebstrap:nosuchsuite?packages=hostname'), {
    code: 'PACKAGE_NOT_FOUND',
    message: /nosuchsuite Release/,
  })
  await own.tidied()
  t.same(own.store.images.list(), [])
})

t.test('a cancelled build leaves no process, no file and no mount', async (t) => {
  await using own = await ownImages()
  const gone = new AbortController()
  const building = own.images.resolve('mmdebstrap:bookworm?packages=hostname', { signal: gone.signal })
  building.catch(() => undefined)
  while (processesOf(own.store.directory).length === 0) await new Promise((resolve) => setImmediate(resolve))
  gone.abort()
  await t.rejects(building, { code: 'CANCELLED' })
  await own.tidied()
  await own.images.close()
  t.same(processesOf(own.store.directory), [])
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
})

t.test('doctor sees the tools', async (t) => {
  const probes = await checkImageTools()
  t.same(
    probes.map(({ name, ok }) => [name, ok]),
    ['skopeo', 'umoci', 'mmdebstrap', 'tar', 'keyring'].map((name) => [name, true]),
  )
  t.match(probes[0]?.detail, /skopeo version/)
})

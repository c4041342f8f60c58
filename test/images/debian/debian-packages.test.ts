import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkImageTools } from '../../../src/images/index.ts'
import { ownImages } from '../own-images.ts'

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
  const made = () => statSync(image.rootfs, { bigint: true })
  const { ino, birthtimeNs } = made()
  t.same(await own.images.resolve('mmdebstrap:bookworm?packages=hostname'), image)
  t.match(made(), { ino, birthtimeNs }, 'what is there is not made again')
  await own.tidied()
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

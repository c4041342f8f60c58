import { execFileSync, spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { isolatedScript } from '../../../src/images/debian/configure-script.ts'
import { checkImageTools } from '../../../src/images/index.ts'
import { removeTree } from '../../remove-tree.ts'
import { ownImages } from '../own-images.ts'

t.setTimeout(300_000)

t.test('a root filesystem is unpacked from Debian packages, once', async (t) => {
  await using own = await ownImages()
  const [image, same] = await Promise.all([
    own.images.resolve('mmdebstrap:bookworm?packages=hostname&unpacked'),
    own.images.resolve('mmdebstrap:bookworm?packages=hostname&unpacked'),
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
  t.same(await own.images.resolve('mmdebstrap:bookworm?packages=hostname&unpacked'), image)
  t.match(made(), { ino, birthtimeNs }, 'what is there is not made again')
  await own.tidied()
  t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
})

t.test('a configured root filesystem is as apt leaves it', async (t) => {
  await using own = await ownImages()
  const packages = [
    ...['busybox-static', 'ca-certificates', 'iproute2', 'iputils-ping', 'less', 'memcached', 'nano'],
    ...['netcat-openbsd', 'nginx-light', 'procps', 'ssl-cert', 'tzdata'],
  ].join(',')
  const told: string[] = []
  const image = await own.images.resolve(`mmdebstrap:bookworm?packages=${packages}`, {
    onProgress: (detail) => told.push(detail),
  })
  const { rootfs } = image
  const inside = (script: string) =>
    execFileSync('chroot', [rootfs, 'sh', '-c', script], { encoding: 'utf8' })
  const at = (path: string) => join(rootfs, path)

  t.test('it says what it is doing', async (t) => {
    t.match(told[0], /^building from Debian packages: busybox-static, ca-certificates/)
    t.same(
      told.slice(1).map((detail) => detail.split(': ').at(-1)),
      ['downloading', 'configuring the base', 'configuring'],
    )
  })
  t.test('the package’s own programs run, not applets of busybox (E26)', async (t) => {
    t.equal(readlinkSync(at('bin/sh')), 'dash')
    t.match(inside('ip -V'), /^ip utility, iproute2-6/)
    t.match(inside('ping -V'), /iputils/)
    t.equal(inside('readlink -f "$(command -v ps)"').trim(), '/usr/bin/ps')
    t.match(inside('ls --version'), /GNU coreutils/)
    t.match(inside('setpriv --reuid 1 --clear-groups id -u'), /^1\n$/)
    t.match(inside('busybox true && ! command -v wget && echo none'), /^none\n$/, 'its applets have no names')
  })
  t.test('alternatives are there (E26b, F19b)', async (t) => {
    const alternatives = { nc: 'nc.openbsd', editor: 'nano', pager: 'less', awk: 'mawk' }
    for (const [name, program] of Object.entries(alternatives)) {
      t.equal(inside(`basename "$(readlink -f "$(command -v ${name})")"`).trim(), program, name)
    }
  })
  t.test('users of services, their directories and /run are there (F19)', async (t) => {
    t.equal(inside('id -un memcache').trim(), 'memcache')
    t.equal(inside('stat -c "%U %a" /run/memcached').trim(), 'memcache 755')
    t.equal(readlinkSync(at('var/run')), '/run')
  })
  t.test('certificates, sites and zones are there (F19c, F19d)', async (t) => {
    t.match(readFileSync(at('etc/ssl/certs/ca-certificates.crt'), 'utf8'), /BEGIN CERTIFICATE/)
    t.same(readdirSync(at('etc/nginx/sites-enabled')), ['default'])
    t.match(inside('TZ=Europe/Berlin date -d 2025-07-01T12:00Z +%H:%M%Z'), /^14:00CEST\n$/)
    t.same(image.config.env, ['LANG=C.UTF-8'])
  })
  t.test('nothing is left of this host, nor of the build', async (t) => {
    for (const path of ['etc/resolv.conf', 'etc/hostname', 'usr/sbin/policy-rc.d']) {
      t.throws(() => statSync(at(path)), { code: 'ENOENT' }, path)
    }
    t.same(readdirSync(at('dev')), [])
    t.same(readdirSync(at('tmp')), [])
    t.match(inside('dpkg --audit && echo fine'), /^fine\n$/, 'each package is configured')
    const subject = ['x509', '-noout', '-subject', '-in', at('etc/ssl/certs/ssl-cert-snakeoil.pem')]
    t.match(execFileSync('openssl', subject, { encoding: 'utf8' }), /CN ?= ?localhost/)
    t.equal(inside('find / -xdev -name "*.deb" | wc -l').trim(), '0')
    await own.tidied()
    t.notMatch(readFileSync('/proc/self/mountinfo', 'utf8'), own.store.directory)
  })
  t.test('a maintainer script has no network, few rights, and starts nothing', async (t) => {
    // A package of the test's own, configured in the way of the build.
    const work = mkdtempSync(join(tmpdir(), 'moorage-deb-'))
    t.teardown(() => removeTree(work))
    mkdirSync(join(work, 'probe/DEBIAN'), { recursive: true })
    writeFileSync(
      join(work, 'probe/DEBIAN/control'),
      'Package: probe\nVersion: 1\nArchitecture: all\nMaintainer: m <m@localhost>\nDescription: d\n',
    )
    writeFileSync(join(work, 'probe/DEBIAN/postinst'), postinst, { mode: 0o755 })
    const archives = at('var/cache/apt/archives')
    execFileSync('dpkg-deb', [
      '--build',
      '--root-owner-group',
      join(work, 'probe'),
      join(archives, 'probe.deb'),
    ])
    writeFileSync(join(work, 'isolated.sh'), isolatedScript)
    writeFileSync(join(work, 'essential'), 'probe.deb\n')
    const { stderr, status } = spawnSync('sh', [join(work, 'isolated.sh'), 'essential'], {
      cwd: rootfs,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MOORAGE_WORK: work, SECRET: 'of the host' },
    })
    t.equal(status, 0, stderr)
    const said = readFileSync(at('probe'), 'utf8')
    t.match(said, /^links: lo$/m)
    t.match(said, /^host: localhost$/m)
    t.match(said, /^service: 101$/m, 'policy-rc.d forbids')
    t.match(said, /^sysctl: refused$/m)
    t.match(said, /^mount: refused$/m)
    t.match(said, /^processes: 1 /m, 'its own PID namespace')
    t.match(said, /^LANG=C\.UTF-8$/m)
    t.notMatch(said, /SECRET/)
    t.equal(
      execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).includes('sleep 98765'),
      false,
      'what it leaves running ends',
    )
    t.throws(() => statSync(at('usr/sbin/policy-rc.d')), { code: 'ENOENT' })
  })
})

/** What a maintainer script finds, line by line. */
const postinst = `#!/bin/sh
exec >/probe
echo links: $(ip -o link | cut -d: -f2)
echo host: $(cat /proc/sys/kernel/hostname)
/usr/sbin/policy-rc.d memcached start
echo service: $?
if (echo 1 >/proc/sys/vm/swappiness) 2>/dev/null; then echo sysctl: done; else echo sysctl: refused; fi
if mount -t tmpfs x /mnt 2>/dev/null; then echo mount: done; else echo mount: refused; fi
echo processes: $(ls -d /proc/[0-9]* | sed 's,/proc/,,' | sort -n)
env
sleep 98765 >/dev/null 2>&1 &
exit 0
`

t.test('doctor sees the tools', async (t) => {
  const probes = await checkImageTools()
  t.same(
    probes.map(({ name, ok }) => [name, ok]),
    ['skopeo', 'umoci', 'mmdebstrap', 'tar', 'keyring'].map((name) => [name, true]),
  )
  t.match(probes[0]?.detail, /skopeo version/)
})

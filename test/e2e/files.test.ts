import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Container, Moorage } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(300_000)

/** A marker in a file of the host that no output may ever show. */
const secret = 'of the host alone'

t.test('files and directories of containers', async (t) => {
  using root = busyboxRoot()
  using own = ownDirectories()
  await using daemon = await startDaemon(own, '--grace', '0')
  await using moorage = await daemon.connect()
  const here = mkdtempSync(join(tmpdir(), 'moorage-files-'))
  t.teardown(() => removeTree(here))
  writeFileSync(join(here, 'secret'), secret)
  const base = () => moorage.container().withRootfs(moorage.host.directory(root.path))
  const sh = (container: Container, script: string) => container.withExec(['sh', '-c', script])
  const made = (script: string) => sh(base(), script)
  /** Work in progress, which is nothing once it has ended; the logs of what failed are kept, and have no directories. */
  const temporary = () => {
    const place = join(own.stateDirectory, 'tmp')
    const inside = (name: string) => {
      try {
        return readdirSync(join(place, name), { withFileTypes: true })
      } catch {
        return [] // it has ended meanwhile
      }
    }
    return readdirSync(place).filter((name) => inside(name).some((entry) => entry.isDirectory()))
  }

  await t.test('links are followed within, and never out', async (t) => {
    const hostile = made(`
      mkdir -p /out/in; echo fine > /out/in/f; cd /out
      ln -s ${here}/secret absolute; ln -s ../../../../../../../../..${here}/secret climbing
      ln -s ${here} directory; ln -s /proc/self/root${here}/secret magic
      ln -s /out/in/f inside; ln -s ../../out/in/f relative; ln -s loop loop; ln -s /out/in indir
      mkdir -p /etc; echo theirs > /etc/shadow; ln -s /etc/shadow shadow`)
    for (const name of ['absolute', 'climbing', 'directory/secret', 'magic', 'loop']) {
      await t.rejects(hostile.file(`/out/${name}`).contents(), { code: 'PATH_NOT_FOUND' }, name)
    }
    t.equal(await hostile.file('/out/inside').contents(), 'fine\n')
    t.equal(await hostile.file('/out/relative').contents(), 'fine\n')
    t.equal(await hostile.file('/out/indir/f').contents(), 'fine\n')
    t.equal(await hostile.file('/out/shadow').contents(), 'theirs\n', 'the container’s own')
    await t.rejects(hostile.directory('/out/directory').entries(), { code: 'PATH_NOT_FOUND' })
    // A directory is a root of its own: what is absolute in it is from there.
    const directory = hostile.directory('/out')
    await t.rejects(directory.file('inside').contents(), { code: 'PATH_NOT_FOUND' })
    await t.rejects(directory.file('absolute').contents(), { code: 'PATH_NOT_FOUND' })
    for (const name of ['absolute', 'climbing', 'magic']) {
      const user = base()
        .withMountedFile('/m', hostile.file(`/out/${name}`))
        .withExec(['cat', '/m'])
      await t.rejects(user.stdout(), { code: 'PATH_NOT_FOUND' }, `${name}, mounted`)
      const copy = moorage.directory().withFile('x', hostile.file(`/out/${name}`))
      await t.rejects(copy.entries(), { code: 'PATH_NOT_FOUND' }, `${name}, copied`)
    }
    const place = join(here, 'links')
    await directory.export(place)
    t.equal(readlinkSync(join(place, 'absolute')), join(here, 'secret'), 'written as a link, as it is')
    t.ok(lstatSync(join(place, 'directory')).isSymbolicLink())
  })

  await t.test('paths that lead nowhere are refused where they are written', async (t) => {
    const option = { code: 'INVALID_OPTION' }
    t.throws(() => base().file('relative'), option)
    t.throws(() => base().file('/../etc/shadow'), option)
    t.throws(() => moorage.directory().file('a/../../b'), option)
    t.throws(() => moorage.directory().withNewFile('a\0b', ''), option)
    t.throws(() => base().withNewFile('/x', '', { owner: 'root' }), option)
    t.throws(() => base().withNewFile('/x', '', { permissions: 0o10000 }), option)
    t.throws(() => base().withMountedTemp('/x', { size: 0 }), option)
    t.throws(() => moorage.http('ftp://x/'), option)
    t.throws(() => moorage.http('http://me:secret@x/'), option)
    await t.rejects(base().withNewFile('/bin', '').directory('/').entries(), { code: 'PATH_UNSUITABLE' })
    await t.rejects(base().withNewFile('/bin/sh/x', '').directory('/').entries(), { code: 'PATH_UNSUITABLE' })
    await t.rejects(base().withoutFile('/bin').directory('/').entries(), { code: 'PATH_UNSUITABLE' })
    await t.rejects(base().withoutDirectory('/').directory('/').entries(), { code: 'PATH_UNSUITABLE' })
    await t.rejects(base().file('/bin').contents(), {
      code: 'PATH_UNSUITABLE',
      message: /a directory, not a regular/,
    })
    await t.rejects(base().directory('/bin/busybox').entries(), { code: 'PATH_UNSUITABLE' })
    t.same(temporary(), [], 'nothing of it is left')
  })

  await t.test('devices and pipes are neither opened nor exported, and stay what they are', async (t) => {
    const odd = made(
      'mkdir /out/d; cd /out/d; mkfifo pipe; mknod null c 1 3; mknod disk b 8 0; echo x > f; chmod 4755 f',
    )
    for (const name of ['pipe', 'null', 'disk']) {
      await t.rejects(odd.file(`/out/d/${name}`).contents(), { code: 'PATH_UNSUITABLE' }, name)
    }
    const directory = odd.directory('/out/d')
    t.same(await directory.entries(), ['disk', 'f', 'null', 'pipe'])
    t.match(await directory.digest(), /^sha256:/)
    const place = join(here, 'odd')
    await directory.export(place)
    t.same(readdirSync(place), ['f'])
    t.equal(statSync(join(place, 'f')).mode & 0o7777, 0o755, 'not set-user-id')
    await odd.file('/out/d/f').export(join(here, 'f'))
    t.equal(statSync(join(here, 'f')).mode & 0o7777, 0o755)
    const seen = await sh(
      base().withDirectory('/c', directory).withMountedDirectory('/m', directory),
      'stat -c "%n %F %a" /c/* /m/*',
    ).stdout()
    for (const where of ['c', 'm']) {
      t.match(seen, `/${where}/pipe fifo`)
      t.match(seen, `/${where}/null character special file`)
      t.match(seen, `/${where}/f regular file 4755`)
    }
  })

  await t.test('names are bytes', async (t) => {
    const odd = made(
      String.raw`mkdir /out/d; cd /out/d; touch "$(printf 'a\nb')" "$(printf '\377')" -- -rf ' ' "quote'\""; echo x > "$(printf '\376\n.')"`,
    )
    const directory = odd.directory('/out/d')
    const entries = await directory.entries()
    t.equal(entries.length, 6, JSON.stringify(entries))
    t.ok(entries.includes('a\nb') && entries.includes('-rf') && entries.includes(' '))
    t.equal(entries.filter((name) => name.includes('\uFFFD')).length, 2)
    const place = join(here, 'names')
    await directory.export(place)
    const exported = readdirSync(place, { encoding: 'buffer' }).map((name) => name.toString('latin1'))
    t.same(exported.sort(), [' ', '-rf', 'a\nb', 'quote\'"', '\xfe\n.', '\xff'].sort())
    const copy = moorage.directory().withDirectory('x', directory)
    t.equal(await copy.directory('x').digest(), await directory.digest(), 'a copy has them all')
    t.not(await directory.digest(), await made('mkdir /out/d').directory('/out/d').digest())
  })

  await t.test('holes, hard links and large files come through, a piece at a time', async (t) => {
    const large = made(
      'mkdir /out/d; cd /out/d; truncate -s 1G sparse; echo end >> sparse; dd if=/dev/urandom of=data bs=1M count=48; ln data hard',
    )
    t.equal(await large.file('/out/d/sparse').size(), 1024 ** 3 + 4)
    await t.rejects(large.file('/out/d/sparse').contents(), { code: 'FILE_TOO_LARGE' })
    const before = memoryOf(daemon.process.pid)
    const place = join(here, 'large')
    await large.directory('/out/d').export(place)
    const sparse = statSync(join(place, 'sparse'))
    t.equal(sparse.size, 1024 ** 3 + 4)
    t.ok(sparse.blocks * 512 < 16 * 1024 * 1024, 'its holes are holes')
    t.equal(statSync(join(place, 'data')).ino, statSync(join(place, 'hard')).ino, 'one file under two names')
    await large.file('/out/d/data').export(join(here, 'data'))
    const sum = await sh(large, 'sha256sum < /out/d/data').stdout()
    const [exported] = execFileSync('sha256sum', [join(here, 'data')], { encoding: 'utf8' }).split(' ')
    t.equal(exported, sum.split(' ')[0])
    t.ok(memoryOf(daemon.process.pid) - before < 150 * 1024, 'the daemon does not hold it in memory')
    const copied = sh(
      base().withDirectory('/c', large.directory('/out/d')),
      'stat -c "%s %b" /c/sparse; test /c/data -ef /c/hard && echo same',
    )
    t.match(await copied.stdout(), /^1073741828 \d{1,4}\nsame\n$/)
    removeTree(place)
  })

  await t.test('what is removed or replaced in a layer is so in what is made of it', async (t) => {
    const first = made('mkdir -p /out/d/sub; echo 1 > /out/d/a; echo 2 > /out/d/sub/b; ln -s a /out/d/l')
    const second = sh(first, 'rm /out/d/a; rm -r /out/d/sub; mkdir /out/d/sub; echo 3 > /out/d/sub/c')
    const directory = second.directory('/out/d')
    t.same(await directory.entries(), ['l', 'sub'])
    t.same(await directory.directory('sub').entries(), ['c'], 'the directory that was there before is gone')
    t.same(await moorage.directory().withDirectory('.', directory).directory('sub').entries(), ['c'])
    const changed = directory
      .withoutFile('l')
      .withNewFile('sub/n', 'n')
      .withoutDirectory('none')
      .withoutFile('sub/c')
    t.same(await changed.directory('sub').entries(), ['n'])
    t.same(await directory.entries(), ['l', 'sub'], 'and the one it was made of is as it was')
    const again = first.withoutDirectory('/out/d/sub').withNewFile('/out/d/sub/x', 'x')
    t.equal(await sh(again, 'ls /out/d/sub; cat /out/d/a').stdout(), 'x\n1\n')
    const emptied = sh(first.withoutDirectory('/out/d'), 'ls -A /out')
    t.equal(await emptied.stdout(), '')
    const replaced = moorage
      .directory()
      .withDirectory('r', first.directory('/out/d'))
      .withNewFile('r/l', 'no link')
    t.equal(await replaced.file('r/l').contents(), 'no link')
    t.equal(await replaced.file('r/a').contents(), '1\n', 'what the link led to is as it was')
  })

  await t.test('copies into a hostile filesystem stay in it', async (t) => {
    const trap = made(
      `mkdir -p /t/real; ln -s ${here} /t/out; ln -s ${here}/secret /t/file; ln -s real /t/in; ln -s /none /t/dangling`,
    )
    const dir = moorage.directory().withNewFile('secret', 'overwritten').withNewFile('file', 'overwritten')
    // Where the link leads to does not exist in the container.
    await t.rejects(trap.withNewFile('/t/out/secret', 'overwritten').directory('/t').entries(), {
      code: 'PATH_UNSUITABLE',
    })
    await t.rejects(trap.withDirectory('/t/out', dir).directory('/t').entries(), { code: 'PATH_UNSUITABLE' })
    await t.rejects(trap.withDirectory('/t/dangling', dir).directory('/t').entries(), {
      code: 'PATH_UNSUITABLE',
    })
    const written = trap.withNewFile('/t/file', 'here').withDirectory('/t', dir).withDirectory('/t/in', dir)
    t.equal(await written.file('/t/file').contents(), 'overwritten', 'a link in the way is replaced')
    t.equal(
      await written.file('/t/real/secret').contents(),
      'overwritten',
      'a link on the way is followed within',
    )
    await t.rejects(
      trap.withDirectory('/t', moorage.directory().withNewFile('in/x', '')).directory('/t').entries(),
      { code: 'PATH_UNSUITABLE', message: /\/t\/in .*a directory and something else/ },
    )
    t.equal(readFileSync(join(here, 'secret'), 'utf8'), secret)
    t.same(temporary(), [])
  })

  await t.test('owners and permissions', async (t) => {
    const source = made(
      'mkdir -p /s/sub; echo x > /s/f; chmod 640 /s/f; chown 7:8 /s/f; chmod 700 /s/sub; chown 9 /s/sub; chown 5:5 /s; chmod 711 /s',
    )
    const show = (container: Container, paths: string) =>
      sh(container, `stat -c "%n %u:%g %a" ${paths}`).stdout()
    t.equal(
      await show(base().withDirectory('/c/d', source.directory('/s')), '/c /c/d /c/d/f /c/d/sub'),
      '/c 0:0 755\n/c/d 5:5 711\n/c/d/f 7:8 640\n/c/d/sub 9:0 700\n',
      'as they were; directories on the way are root’s',
    )
    t.equal(
      await show(base().withDirectory('/c', source.directory('/s'), { owner: '33' }), '/c /c/f /c/sub'),
      '/c 33:33 711\n/c/f 33:33 640\n/c/sub 33:33 700\n',
    )
    t.equal(
      await show(base().withDirectory('/tmp', source.directory('/s'), { owner: '33:44' }), '/tmp /tmp/f'),
      '/tmp 0:0 755\n/tmp/f 33:44 640\n',
      'a directory that was there stays what it was',
    )
    const files = base()
      .withFile('/f1', source.file('/s/f'))
      .withFile('/f2', source.file('/s/f'), { owner: '1:2', permissions: 0o4711 })
      .withNewFile('/f3', 'x')
      .withNewFile('/f4', Buffer.from([0, 255, 254]), { owner: '3', permissions: 0o2600 })
    t.equal(await show(files, '/f1 /f2 /f3 /f4'), '/f1 7:8 640\n/f2 1:2 4711\n/f3 0:0 644\n/f4 3:3 2600\n')
    t.same(await files.file('/f4').bytes(), Buffer.from([0, 255, 254]))
    t.equal(
      await show(base().withMountedDirectory('/m', source.directory('/s')), '/m /m/f'),
      '/m 5:5 711\n/m/f 7:8 640\n',
    )
    const own = source.directory('/s').withNewFile('new', '')
    t.equal(
      await show(
        moorage.container().withRootfs(own.withDirectory('bin', base().directory('/bin'))),
        '/ /new',
      ),
      '/ 0:0 755\n/new 0:0 644\n',
      'a container’s root is root’s, and others may enter it',
    )
  })

  await t.test('what is mounted may be changed, for oneself alone', async (t) => {
    const source = made('mkdir /s; echo given > /s/f').directory('/s')
    const mounted = base()
      .withMountedDirectory('/m', source)
      .withMountedFile('/etc/one', source.file('f'))
      .withMountedTemp('/t', { size: 65_536 })
    const changing = sh(
      mounted,
      'cat /m/f /etc/one; echo changed > /m/f; echo more > /m/g; rm /m/f; echo other > /etc/one; echo t > /t/x; ls -A /m /t; stat -c %a /t; dd if=/dev/zero of=/t/big bs=128k count=1; true',
    )
    t.equal(await changing.stdout(), 'given\ngiven\n/m:\ng\n\n/t:\nx\n1777\n')
    t.match(await changing.stderr(), 'No space left on device')
    t.equal(
      await sh(changing, 'cat /m/f /etc/one; ls -A /m /t').stdout(),
      'given\ngiven\n/m:\nf\n\n/t:\n',
      'the next is given the same',
    )
    t.same(await changing.directory('/').directory('etc').entries(), [], 'and no output has it')
    // Asked for by a path in the mount, it is what was given.
    t.equal(await changing.file('/m/f').contents(), 'given\n')
    t.equal(await changing.file('/etc/one').contents(), 'given\n')
    t.same(await changing.directory('/m').entries(), ['f'])
    t.equal(await sh(changing.withNewFile('/m/n', 'new'), 'cat /m/n /m/f').stdout(), 'newgiven\n')
    for (const path of ['/t/x', '/etc/one/x']) {
      t.throws(() => changing.withNewFile(path, ''), { code: 'INVALID_OPTION' }, path)
    }
    t.throws(() => base().withMountedCache('/v', moorage.cacheVolume('v')).directory('/v'), {
      code: 'INVALID_OPTION',
      message: /cache volume/,
    })
    // A mount in a mount, and a command that stands in one.
    const tools = base().directory('/bin')
    const inner = base()
      .withMountedDirectory('/m/inner', tools)
      .withMountedDirectory('/m', source)
      .withMountedCache('/m/cache', moorage.cacheVolume('inner'))
      .withExec(['/m/inner/busybox', 'ls', '/m'])
    t.equal(await inner.stdout(), 'cache\nf\ninner\n')
    await until('what was written into mounts is gone', () => temporary().length === 0)
  })

  await t.test('the same content is the same digest, wherever it is', async (t) => {
    const directory = join(here, 'same')
    mkdirSync(join(directory, 'sub'), { recursive: true })
    writeFileSync(join(directory, 'sub/f'), 'content')
    writeFileSync(join(directory, 'x'), '#!', { mode: 0o755 })
    symlinkSync('x', join(directory, 'l'))
    const sent = moorage.host.directory(directory)
    const digest = await sent.digest()
    t.equal(await moorage.directory().withDirectory('a', sent).directory('a').digest(), digest)
    t.equal(await base().withDirectory('/a/b', sent).directory('/a/b').digest(), digest)
    const exported = join(here, 'same-again')
    await base().withDirectory('/a', sent).directory('/a').export(exported)
    t.equal(await moorage.host.directory(exported).digest(), digest)
    const built = moorage
      .directory()
      .withNewFile('sub/f', 'content')
      .withNewFile('x', '#!', { permissions: 0o755 })
    t.not(await built.digest(), digest, 'without the link')
  })

  await t.test('an export takes its place whole, or not at all', async (t) => {
    const source = made(
      'mkdir -p /s/sub; echo new > /s/f; echo sub > /s/sub/g; ln -s f /s/l; mkdir /s/closed; chmod 500 /s/closed',
    ).directory('/s')
    const target = join(here, 'export')
    mkdirSync(join(target, 'sub'), { recursive: true })
    mkdirSync(join(here, 'elsewhere'))
    writeFileSync(join(target, 'kept'), 'kept')
    writeFileSync(join(target, 'sub/kept'), 'kept')
    symlinkSync(join(here, 'secret'), join(target, 'f'))
    symlinkSync(join(here, 'elsewhere'), join(target, 'closed'))
    await source.export(target)
    t.same(readdirSync(target).sort(), ['closed', 'f', 'kept', 'l', 'sub'])
    t.equal(readFileSync(join(target, 'f'), 'utf8'), 'new\n', 'a link in its place is replaced')
    t.equal(readFileSync(join(here, 'secret'), 'utf8'), secret, 'and not written through')
    t.ok(lstatSync(join(target, 'closed')).isDirectory())
    t.same(readdirSync(join(here, 'elsewhere')), [])
    t.same(readdirSync(join(target, 'sub')).sort(), ['g', 'kept'])
    t.equal(statSync(join(target, 'f')).uid, process.getuid?.(), 'it is the caller’s')
    await source.export(target, { wipe: true })
    t.same(readdirSync(target).sort(), ['closed', 'f', 'l', 'sub'])

    const failing = { code: 'EXPORT_FAILED' }
    writeFileSync(join(here, 'file'), 'a file')
    await t.rejects(source.export(join(here, 'file/x')), failing)
    await t.rejects(source.file('f').export(target), failing, 'a file in place of a directory')
    await source.file('f').export(join(target, 'l'))
    t.ok(lstatSync(join(target, 'l')).isFile())
    await t.rejects(made('exit 3').file('/x').export(join(here, 'never')), { code: 'EXEC_FAILED' })
    t.notOk(existsSync(join(here, 'never')))
    mkdirSync(join(target, 'f2'))
    await t.rejects(
      moorage.directory().withNewFile('f2', '').export(target),
      failing,
      'a file where a directory is',
    )
    t.same(
      [...readdirSync(here), ...readdirSync(target)].filter((name) => name.includes('.moorage-')),
      [],
      'nothing is left beside',
    )
    chmodSync(join(target, 'closed'), 0o700)
  })

  await t.test('a call that is cancelled leaves nothing, here or there', async (t) => {
    const large = made(
      'mkdir /l; cd /l; for i in 1 2 3 4; do dd if=/dev/zero of=$i bs=1M count=64; done',
    ).directory('/l')
    await large.sync()
    for (const [what, start] of cancellable(moorage, base, large, here)) {
      const abort = new AbortController()
      const call = start(abort.signal)
      call.catch(() => undefined)
      // In the middle: something is being written.
      await until(`${what} is under way`, () => temporary().length > 0 || beside(here).length > 0)
      abort.abort()
      await t.rejects(call, { code: 'CANCELLED' }, what)
      await until(`nothing is left of ${what}`, () => temporary().length === 0 && beside(here).length === 0)
    }
    t.notOk(existsSync(join(here, 'cancelled')))
    t.same(tools(), [], 'no tool works on')
  })

  await t.test('everything but what is stored is gone; what is stored outlives the daemon', async (t) => {
    await until('no work is in progress', () => temporary().length === 0)
    t.same(
      readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(own.stateDirectory)),
      [],
      'nothing is mounted from it',
    )
    const open = readdirSync(`/proc/${daemon.process.pid}/fd`).filter((fd) => {
      try {
        return readlinkSync(`/proc/${daemon.process.pid}/fd/${fd}`) === '/'
      } catch {
        return false
      }
    })
    t.ok(open.length < 5, `${open.length} descriptors of mounts are left`)
  })
})

/** Long enough to be cancelled in their middle. */
function cancellable(
  moorage: Moorage,
  base: () => Container,
  large: ReturnType<Moorage['directory']>,
  here: string,
): [string, (signal: AbortSignal) => Promise<unknown>][] {
  return [
    ['a copy', (signal) => moorage.directory().withDirectory('cancelled', large).sync({ signal })],
    ['an export', (signal) => large.export(join(here, 'cancelled'), { signal })],
    ['an export of a file', (signal) => large.file('1').export(join(here, 'cancelled'), { signal })],
    [
      'a command with mounts',
      (signal) => base().withMountedDirectory('/m', large).withExec(['sleep', '100']).sync({ signal }),
    ],
  ]
}

/** What is half-written beside a target. */
function beside(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.includes('.moorage-'))
}

/** Tools of ours that still run: they stand in a directory of a mount that is nowhere else. */
function tools(): string[] {
  return execFileSync('ps', ['-e', '-o', 'args='], { encoding: 'utf8' })
    .split('\n')
    .filter(
      (line) => /^(cp|tar|find) .*\/proc\/\d+\/fd\//.test(line) && line.includes(`/proc/${process.pid}/`),
    )
}

/** In KiB. */
function memoryOf(pid: number | undefined): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}

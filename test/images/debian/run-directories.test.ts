import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { runDirectoriesScript } from '../../../src/images/debian/run-directories-script.ts'
import { ownRootfs } from '../../e2e/own-rootfs.ts'

/** Runs the script in a root filesystem of busybox, with users of its own; tells about a path of it. */
function after(t: Test, files: Record<string, string>, directories: Record<string, number> = {}) {
  const rootfs = ownRootfs()
  t.teardown(() => rootfs[Symbol.dispose]())
  const at = (path: string) => join(rootfs.path, path)
  for (const path of ['run', 'var/lib', 'dev']) mkdirSync(at(path), { recursive: true })
  for (const [path, mode] of Object.entries(directories)) mkdirSync(at(path), { recursive: true, mode })
  // busybox has no install(1): enough of it for the options of the test, in their order.
  const install = '#!/bin/sh\nshift\nmkdir -m "$1" "$7"\nchown "$3:$5" "$7"\n'
  writeFileSync(at('bin/install'), install, { mode: 0o755 })
  const all = {
    'etc/passwd': 'root:x:0:0::/:/bin/sh\nsql:x:40:50::/:/bin/sh\nmq:x:41:51::/:/bin/sh\n',
    'etc/group': 'root:x:0:\nsql:x:50:\nmq:x:51:\n',
    ...files,
  }
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(at(path)), { recursive: true })
    writeFileSync(at(path), text)
  }
  const { status, stderr } = spawnSync('chroot', [rootfs.path, 'sh', '-c', runDirectoriesScript], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.same({ status, stderr }, { status: 0, stderr: '' })
  return {
    at,
    of(path: string) {
      if (!existsSync(at(path))) return undefined
      const { uid, gid, mode } = lstatSync(at(path))
      return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`
    },
  }
}

t.test('directories of tmpfiles.d, with their owners and modes', async (t) => {
  const { of, at } = after(
    t,
    {
      'usr/lib/tmpfiles.d/sql.conf': [
        '# d /run/commented',
        '',
        'd /run/sql 2775 sql sql - -',
        'D!\t/run/mq   0700  mq   root -',
        'd= /var/lib/deep/er - - - -',
        'd /run/tilde ~0750 :sql :sql -',
        'd /run/nobody 0755 unknown unknown',
        'd /run/instance-%i 0755',
        'd /run/../etc/evil 0755',
        'd /etc/evil 0755',
        'd /srv/evil 0755',
        'd /run 0700 sql',
        'f /run/file 0644 root root - text',
        'L+ /run/link - - - - /run/sql',
        'd /run/there 0700 sql sql',
      ].join('\n'),
      'etc/tmpfiles.d/last.conf': 'd /run/unended 0711 mq',
    },
    { 'run/there': 0o755 },
  )
  t.equal(of('run/sql'), '40:50 2775')
  t.equal(of('run/mq'), '41:0 700')
  t.equal(of('var/lib/deep/er'), '0:0 755')
  t.equal(of('run/tilde'), '40:50 750')
  t.equal(of('run/nobody'), '0:0 755', 'whose owner is unknown is root’s')
  t.equal(of('run/there'), '0:0 755', 'what is there stays')
  t.equal(of('run/unended'), '41:0 711', 'a last line without its end')
  t.equal(readlinkSync(at('run/link')), '/run/sql')
  for (const path of ['run/commented', 'run/instance-%i', 'etc/evil', 'srv/evil', 'run/file']) {
    t.equal(of(path), undefined, path)
  }
})

t.test('directories of units: those of their keys, and of plain commands', async (t) => {
  const { of } = after(t, {
    'lib/systemd/system/sql.service': [
      '[Service]',
      'User=sql',
      'RuntimeDirectory=sql sql/sub',
      'RuntimeDirectoryMode=2755',
      'StateDirectory=sql',
      'CacheDirectory=sql',
      'LogsDirectory=sql',
      'ExecStart=/usr/sbin/sql',
    ].join('\n'),
    'lib/systemd/system/group.service': 'User=sql\nGroup=mq\nRuntimeDirectory=group:alias\n',
    'lib/systemd/system/bus.socket':
      '[Socket]\nListenStream=/run/bus/socket\nListenDatagram=@abstract\nListenStream=80\nListenFIFO=/etc/evil/fifo\n',
    'lib/systemd/system/pid.service': 'User=mq\nPIDFile=/run/pid/pid\nPIDFile=/run/direct.pid\n',
    'lib/systemd/system/sql@.service': 'User=sql\nRuntimeDirectory=sql-%i\n',
    'etc/systemd/system/mq.service': [
      'ExecStartPre=/bin/mkdir -m 740 -p /run/mq',
      'ExecStartPre=/bin/chown mq /run/mq',
      'ExecStartPre=+/usr/bin/install -m 755 -o sql -g root -d /run/installed',
      'ExecStartPre=/bin/mkdir /etc/evil',
      'ExecStartPre=/bin/mkdir /etc/evil /run/beside',
      'ExecStartPre=/bin/rm -rf /run/mq',
      'ExecStartPre=/bin/sh -c "mkdir /run/shell"',
      'ExecStartPre=/bin/mkdir /run/$NAME',
      '# ExecStartPre=/bin/mkdir /run/commented',
      'ExecStart=/bin/mkdir /run/started',
    ].join('\n'),
  })
  t.equal(of('run/sql'), '40:50 2755')
  t.equal(of('run/sql/sub'), '40:50 2755')
  for (const path of ['var/lib/sql', 'var/cache/sql', 'var/log/sql']) t.equal(of(path), '40:50 755', path)
  t.equal(of('run/group'), '40:51 755')
  t.equal(of('run/mq'), '41:0 740')
  t.equal(of('run/bus'), '0:0 755', 'the directory of a socket')
  t.equal(of('run/pid'), '41:51 755', 'the directory of a PID file')
  t.equal(of('run/installed'), '40:0 755')
  for (const name of ['shell', '$NAME', 'commented', 'started', 'beside', 'sql-%i', 'sql-']) {
    t.equal(of(`run/${name}`), undefined, name)
  }
  t.equal(of('etc/evil'), undefined)
})

t.test('plain mkdirs of init scripts below /run', async (t) => {
  const { of } = after(t, {
    'etc/init.d/named': [
      '#!/bin/sh',
      '\tmkdir -p /run/named',
      '    mkdir /var/run/old || exit 1',
      'mkdir -p $DIR',
      'mkdir -p /etc/evil',
      'echo mkdir /run/said',
    ].join('\n'),
  })
  t.equal(of('run/named'), '0:0 755')
  t.equal(of('var/run/old'), '0:0 755')
  for (const path of ['etc/evil', 'run/said']) t.equal(of(path), undefined, path)
})

t.test('a root filesystem that has none of it', async (t) => {
  t.equal(after(t, {}).of('run'), '0:0 755')
})

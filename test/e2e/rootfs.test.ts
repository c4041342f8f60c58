import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('a container starts from a directory of the client, by its content', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const root = mkdtempSync(join(tmpdir(), 'moorage-rootfs-'))
  t.teardown(() => removeTree(root))
  for (const name of ['bin', 'etc', 'tmp', 'w']) mkdirSync(join(root, name))
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const name of ['sh', 'cat', 'httpd', 'wget', 'nc']) symlinkSync('busybox', join(root, 'bin', name))
  writeFileSync(join(root, 'w/index.html'), 'hello\n')

  const container = () => moorage.container().withRootfs(moorage.host.directory(root))
  t.equal(await container().withExec(['cat', '/w/index.html']).stdout(), 'hello\n')
  const before = await container().withExec(['cat', '/w/index.html']).digest()

  const web = container().withExposedPort(80).withExec(['httpd', '-f', '-p', '80', '-h', '/w'])
  const fetched = container()
    .withServiceBinding('api.example.com', web)
    .withExec([
      'sh',
      '-c',
      'cat /etc/hosts; echo -e "GET / HTTP/1.0\\r\\n\\r" | nc -w 5 $(cat /etc/hosts | busybox grep example | busybox cut -d" " -f1) 80',
    ])
  t.match(
    await fetched.stdout(),
    /api\.example\.com[\s\S]*hello/,
    'a service of it, under a name of the real world',
  )

  writeFileSync(join(root, 'w/index.html'), 'changed\n')
  t.equal(await container().withExec(['cat', '/w/index.html']).stdout(), 'changed\n')
  t.not(
    await container().withExec(['cat', '/w/index.html']).digest(),
    before,
    'another content is another container',
  )
})

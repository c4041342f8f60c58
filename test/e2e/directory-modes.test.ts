import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(60_000)

t.test(
  'a directory of the client has its own mode, mounted and copied, at the root of it too (B1)',
  async (t) => {
    using directories = ownDirectories()
    using rootfs = busyboxRoot()
    const base = mkdtempSync(join(tmpdir(), 'moorage-modes-'))
    t.teardown(() => removeTree(base))
    await using daemon = await startDaemon(directories)
    await using moorage = await daemon.connect()
    const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path))
    const digests = new Set<string>()
    for (const mode of [0o755, 0o700, 0o1777, 0o2750]) {
      const path = join(base, mode.toString(8))
      mkdirSync(path)
      writeFileSync(join(path, 'f'), 'f\n', { mode: 0o644 })
      chmodSync(path, mode)
      const directory = moorage.host.directory(path)
      digests.add(await directory.digest())
      const stat = ['stat', '-c', '%a', '/m']
      const expected = `${mode.toString(8)}\n`
      t.equal(await box.withDirectory('/m', directory).withExec(stat).stdout(), expected, 'copied')
      t.equal(await box.withMountedDirectory('/m', directory).withExec(stat).stdout(), expected, 'mounted')
      t.equal(
        await box.withDirectory('/m', directory).directory('/m').digest(),
        await directory.digest(),
        'and read back',
      )
    }
    t.equal(digests.size, 4, 'each mode has a digest of its own')
    const usual = moorage.host.directory(join(base, '755'))
    for (const there of [box.withDirectory('/m', usual), box.withMountedDirectory('/m', usual)]) {
      t.equal(
        await there.withUser('65534').withExec(['cat', '/m/f']).stdout(),
        'f\n',
        'whom its mode lets in may read',
      )
    }
  },
)

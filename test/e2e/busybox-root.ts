import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

/** A root filesystem of one static program, as a directory of the client's: nothing is fetched for it. */
export function busyboxRoot(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'moorage-busybox-'))
  for (const name of ['bin', 'etc', 'tmp', 'w']) mkdirSync(join(path, name))
  copyFileSync('/bin/busybox', join(path, 'bin/busybox'))
  for (const name of ['sh', 'cat', 'echo', 'httpd', 'nc', 'sleep', 'wc', 'true', 'usleep', 'test'])
    symlinkSync('busybox', join(path, 'bin', name))
  return { path, [Symbol.dispose]: () => removeTree(path) }
}

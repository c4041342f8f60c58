import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

const commands = [
  ...[
    'sh',
    'cat',
    'ls',
    'echo',
    'mkdir',
    'ln',
    'mknod',
    'mkfifo',
    'rm',
    'mv',
    'chmod',
    'chown',
    'stat',
    'touch',
    'wc',
  ],
  ...[
    'httpd',
    'wget',
    'nc',
    'sleep',
    'true',
    'dd',
    'truncate',
    'id',
    'find',
    'printf',
    'cp',
    'test',
    'df',
    'mount',
  ],
  ...['readlink', 'sort', 'tr', 'head', 'grep', 'cut', 'sha256sum', 'seq', 'rmdir', 'hostname', 'nslookup'],
]

/** A root filesystem of busybox alone: made in a millisecond, and small enough to send. */
export function busyboxRoot(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'moorage-busybox-'))
  for (const name of ['bin', 'etc', 'tmp', 'out', 'root']) mkdirSync(join(path, name))
  copyFileSync('/bin/busybox', join(path, 'bin/busybox'))
  for (const name of commands) symlinkSync('busybox', join(path, 'bin', name))
  return { path, [Symbol.dispose]: () => removeTree(path) }
}

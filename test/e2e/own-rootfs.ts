import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

/** A root filesystem of busybox: a shell, `nc`, `httpd`, `udpsvd`, in no time. */
export function ownRootfs(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'moorage-rootfs-'))
  for (const name of ['bin', 'etc', 'tmp', 'www']) mkdirSync(join(path, name))
  copyFileSync('/bin/busybox', join(path, 'bin/busybox'))
  execFileSync('chroot', [path, '/bin/busybox', '--install', '-s', '/bin'])
  writeFileSync(join(path, 'www/index.html'), 'hello\n')
  return { path, [Symbol.dispose]: () => removeTree(path) }
}

/** A program of the host with its libraries; perl is on every Debian. */
export function addProgram(rootfs: string, program: string): void {
  const libraries = execFileSync('ldd', [program], { encoding: 'utf8' }).matchAll(/\s(\/\S+)/g)
  for (const file of [program, ...[...libraries].map(([, path = '']) => path)]) {
    mkdirSync(join(rootfs, dirname(file)), { recursive: true })
    copyFileSync(file, join(rootfs, file))
  }
}

/** Receives datagrams at an address (`0, 0, 0, 0`) and port, and counts them on its output. */
export function udpServer(address: string, port: number): string[] {
  return [
    '/usr/bin/perl',
    '-e',
    `$| = 1; socket(S, 2, 2, 17); bind(S, pack("S n C4 x8", 2, ${port}, ${address})) or die $!; ` +
      'while (recv(S, $_, 100, 0)) { print "got $_\\n" }',
  ]
}

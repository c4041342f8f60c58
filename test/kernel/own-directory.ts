import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

interface Test {
  teardown(fn: () => unknown): unknown
}

/**
 * Makes a directory with three layers, and `upper`, `work` and `target`; its parent must not be an overlay. Returns the
 * path of what is in it.
 */
export function ownDirectory(t: Test): (name: string) => string {
  const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kernel-test-'))
  t.teardown(() => removeTree(directory))
  const at = (name: string) => join(directory, name)
  for (const name of ['a', 'b', 'c,d:e\\f', 'upper', 'work', 'target']) {
    mkdirSync(at(name))
    if (name.length === 1 || name.startsWith('c')) {
      writeFileSync(at(`${name}/which`), name)
      writeFileSync(at(`${name}/only-${name[0]}`), name)
    }
  }
  return at
}

import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'

/** A state directory of a test's own. */
export function ownState(t: { teardown(fn: () => void): void }): string {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-store-'))
  t.teardown(() => removeTree(directory))
  return directory
}

/** A digest that ends in a number. */
export function digest(number: number): string {
  return `sha256:${number.toString(16).padStart(64, '0').split('').toReversed().join('')}`
}

/** What lies in a directory of the state directory. */
export function entries(directory: string, name: string): string[] {
  return readdirSync(join(directory, name)).sort()
}

import { readFileSync } from 'node:fs'
import { extname, join } from 'node:path'

/** The package's folder: one above `src` in a checkout, two above it in what is built. */
const root = join(import.meta.dirname, extname(import.meta.filename) === '.ts' ? '..' : '../..')

/** Returns the path of a file of the package. `path` is relative to the package's folder. */
export function packageFile(path: string): string {
  return join(root, path)
}

export const packageVersion: string = (
  JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }
).version

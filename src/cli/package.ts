import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Two folders up from the sources, three from what is built. */
const root = new URL(import.meta.url.endsWith('.ts') ? '../../' : '../../../', import.meta.url)

/** A file of the package, by its path from the package's root. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, root))
}

export const packageVersion: string = (
  JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { version: string }
).version

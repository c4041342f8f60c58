import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Messages to begin with, one a line in hexadecimal; `#` begins a comment. Inputs that failed once are added here. */
export function readSeeds(name: 'queries' | 'answers'): Buffer[] {
  return readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'hex'))
}

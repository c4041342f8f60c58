import { readFileSync } from 'node:fs'

/** The package's version, from its package.json: three folders up from dist, two from the sources. */
export const version: string = readVersion()

function readVersion(): string {
  const up = import.meta.url.endsWith('.ts') ? '../..' : '../../..'
  const text = readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

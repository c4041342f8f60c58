/** Writes docs/errors.md from the catalogue. Usage: node scripts/error-docs.ts */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { catalogue } from '../src/errors/index.ts'

export const errorDocsPath = join(import.meta.dirname, '../docs/errors.md')

/** The page: a row for each code. */
export function errorDocs(): string {
  const rows = Object.entries(catalogue).map(
    ([code, { sentence, hint, status, exit }]) =>
      `| \`${code}\` | ${sentence} | ${hint} | ${status} | ${exit} |`,
  )
  return [
    '# Errors',
    '',
    'Every failure that Moorage reports has one of these codes: `error.code` in the SDK, `error.code` of the JSON in the',
    'HTTP API and with `--json`. `{…}` stands for the names and numbers of the case, which `error.details` holds too.',
    'This page is written by `node scripts/error-docs.ts` from `src/errors/catalogue.ts`.',
    '',
    '| code | what happened | what to do | HTTP | exit |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}

if (import.meta.main) writeFileSync(errorDocsPath, errorDocs())

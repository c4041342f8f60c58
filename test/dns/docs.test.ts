import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/dns.md'), 'utf8')

t.test('the example of docs/dns.md does what the page says', async (t) => {
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
  t.ok(code.includes("from 'moorage/dns'"))
  const source = code
    .replace("'moorage/dns'", JSON.stringify(join(root, 'dns/index.ts')))
    // Whoever tests may have something on that port.
    .replace('port: 5353', 'port: 0')
  t.ok(code.trim().split('\n').length < 20, 'an example has under 20 lines')
  const run = promisify(execFile)
  const { stdout } = await run(process.execPath, ['--input-type=module-typescript', '--eval', source])
  t.equal(stdout, '10.0.0.7\ndb.dev.internal\n')
  t.match(page, /It prints `10\.0\.0\.7` and `db\.dev\.internal`/)
})

t.test('the page names every code of an error', (t) => {
  const source = readFileSync(join(root, 'dns/errors.ts'), 'utf8')
  const codes = [...source.matchAll(/\| '([A-Z_]+)'/g)].map(([, code]) => code as string)
  t.ok(codes.length > 10)
  for (const code of codes) t.ok(page.includes(`\`${code}\``), code)
  t.end()
})

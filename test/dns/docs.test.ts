import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import * as door from '../../dns/index.ts'
import { dig } from './clients.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/dns.md'), 'utf8')
const run = promisify(execFile)

/** Each example, with the output that the page shows. */
const examples = [...page.matchAll(/```ts\n([\s\S]*?)```\n(?:```text\n([\s\S]*?)```)?/g)].map(
  ([, code = '', output = ''], index) => ({ index: index + 1, code, output }),
)

t.test('every example of docs/dns.md prints what stands below it', async (t) => {
  t.ok(examples.length >= 10)
  t.ok(examples.filter(({ output }) => output !== '').length >= 9)
  for (const { index, code, output } of examples) {
    const source = code
      .replaceAll("'moorage/dns'", JSON.stringify(join(root, 'dns/index.ts')))
      .replaceAll("'moorage/netns'", JSON.stringify(join(root, 'netns/index.ts')))
      // Those ports may be in use on this machine.
      .replaceAll(/\b535\d\b/g, '0')
    t.match(code, /from 'moorage\/dns'/)
    t.ok(code.trim().split('\n').length < 20, `example ${index} has under 20 lines`)
    const { stdout, stderr } = await run(process.execPath, [
      '--input-type=module-typescript',
      '--eval',
      source,
    ])
    t.equal(stdout, output, `example ${index}`)
    t.equal(stderr, '', `example ${index} complains of nothing`)
  }
})

t.test('examples/dns.ts is a server', async (t) => {
  const path = join(root, 'examples/dns.ts')
  const code = readFileSync(path, 'utf8').replace(/\/\*\*[\s\S]*?\*\/\n/, '')
  t.ok(code.trim().split('\n').length < 20, 'under 20 lines')
  const child = spawn(process.execPath, [path], {
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(/port (\d+)/.exec(first.toString())?.[1])
  t.same((await dig(port, 'postgres')).answers, ['postgres. 5 IN A 10.0.0.7'])
  t.same((await dig(port, 'nobody.dev.internal')).status, 'NXDOMAIN')
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

t.test('the page names every code of an error, every option and every event', (t) => {
  const namesIn = (file: string, pattern: RegExp) =>
    [...readFileSync(join(root, 'dns', file), 'utf8').matchAll(pattern)].map(([, name]) => name as string)
  const codes = namesIn('errors.ts', /\| '([A-Z_]+)'/g)
  const options = namesIn('options.ts', /^ {2}(\w+)\??: /gm).filter((name) => name !== 'clock')
  const events = namesIn('events.ts', /^ {2}(\w+): \(/gm)
  t.ok(codes.length > 10 && options.length > 6 && events.length === 3)
  for (const name of [...codes, ...options, ...events]) t.ok(page.includes(`\`${name}\``), name)
  for (const name of Object.keys(door)) t.ok(page.includes(name), `${name}, which the door gives`)
  t.end()
})

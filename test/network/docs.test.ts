/** docs/networking.md: each example is run, and each code of an error is told of. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { removeTree } from '../remove-tree.ts'

t.setTimeout(120_000)

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/networking.md'), 'utf8')
const run = promisify(execFile)

/** Each example, with what the page says that it prints. */
const examples = [...page.matchAll(/```ts\n([\s\S]*?)```\n```text\n([\s\S]*?)```/g)].map(
  ([, code = '', output = ''], index) => ({ index: index + 1, code, output }),
)

t.test('every example of docs/networking.md prints what stands below it', async (t) => {
  t.equal(examples.length, page.match(/```ts\n/g)?.length)
  t.ok(examples.length >= 5)
  const runDirectory = mkdtempSync(join(tmpdir(), 'moorage-docs-'))
  t.teardown(() => removeTree(runDirectory))
  for (const { index, code, output } of examples) {
    const source = code
      .replaceAll("'moorage/netns'", JSON.stringify(join(root, 'netns/index.ts')))
      .replaceAll("'moorage/network'", JSON.stringify(join(root, 'src/network/index.ts')))
      // Whoever tests beside this may have networks of those names.
      .replaceAll(/name: '(demo|ci)'/g, `$&, runDirectory: ${JSON.stringify(runDirectory)}`)
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

t.test('the page names every code of an error', (t) => {
  const codes = readFileSync(join(root, 'netns/kernel/errors.ts'), 'utf8').matchAll(/\| '([A-Z_]+)'/g)
  for (const [, code = ''] of codes) t.match(page, `\`${code}\``, code)
  t.end()
})

t.test('and every option of a network', (t) => {
  const source = readFileSync(join(root, 'netns/network.ts'), 'utf8')
  const options = /export interface NetworkOptions \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  for (const [, name = ''] of options.matchAll(/^ {2}(\w+)\??:/gm)) {
    if (name !== 'signal') t.match(page, `\`${name}\``, name)
  }
  t.end()
})

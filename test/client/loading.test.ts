import { execFileSync } from 'node:child_process'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { roomOf } from '../../scripts/arrows.ts'
import { common } from '../../scripts/house.ts'

const root = join(import.meta.dirname, '../..')

/** Imports a module in a new process. Returns the URLs of all modules that it loads, and the time it takes. */
function loadedBy(module: string): { urls: string[]; milliseconds: number } {
  const script = `
    import { registerHooks } from 'node:module'
    const urls = []
    registerHooks({
      resolve(specifier, context, next) {
        const result = next(specifier, context)
        urls.push(result.url)
        return result
      },
    })
    const begin = performance.now()
    await import(${JSON.stringify(module)})
    console.log(JSON.stringify({ urls, milliseconds: performance.now() - begin }))`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    // The test runner's own hooks would load more.
    env: { ...process.env, NODE_OPTIONS: '' },
    encoding: 'utf8',
  })
  return JSON.parse(output)
}

t.test('importing the SDK loads no native code, no database and no package but canonicalize', async (t) => {
  const { urls, milliseconds } = loadedBy(join(root, 'src/index.ts'))
  t.ok(urls.length > 20, 'the hook saw the modules')
  const packages = urls
    .filter((url) => url.includes('/node_modules/'))
    .map((url) => url.replace(/^.*\/node_modules\//, ''))
  t.same([...new Set(packages.map((path) => path.split('/')[0]))], ['canonicalize'])
  const ours = urls.filter((url) => url.startsWith('file:') && !url.includes('/node_modules/'))
  const allowed = ['src/index.ts', 'src/client', 'src/definition', 'src/logs/frame.ts', ...common]
  t.same(
    ours.filter((url) => !allowed.includes(String(roomOf(relative(root, fileURLToPath(url)))))),
    [],
    'nor files of any other room',
  )
  t.notOk(urls.includes('node:sqlite'), 'the lock’s database is loaded when it is needed')
  t.comment(`${Math.round(milliseconds)} ms, ${new Set(urls).size} modules`)
})

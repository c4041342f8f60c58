import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

/** Octets of garbage for each of `count` queries, measured in a process whose collector does not run meanwhile. */
async function garbage(what: string, count: number): Promise<Record<string, number>> {
  const program = join(import.meta.dirname, 'allocation-meter.ts')
  const flags = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256', '--trace-gc']
  // Without the test runner's hooks: measuring coverage makes garbage of its own.
  const args = [
    '-u',
    'NODE_OPTIONS',
    '-u',
    'NODE_V8_COVERAGE',
    process.execPath,
    ...flags,
    program,
    what,
    String(count),
  ]
  const { stdout } = await promisify(execFile)('env', args)
  const [, measured = ''] = stdout.split('begin\n')
  // A collection would have removed the garbage that is counted.
  if (/Scavenge|Mark-Compact/.test(measured)) throw new Error(`the collector ran:\n${measured}`)
  return JSON.parse(measured.trim().split('\n').at(-1) ?? '')
}

const each = process.env.MOORAGE_LONG === '1' ? 1_000_000 : 125_000
t.setTimeout(120_000)

t.test(`a plain question is answered without garbage: ${each} of each of eight kinds`, async (t) => {
  const found = await garbage('packets', each)
  t.ok(Object.keys(found).length >= 8)
  for (const [kind, octets] of Object.entries(found))
    t.ok(octets < 2, `${kind}: ${octets.toFixed(2)} octets each`)
})

// This includes the garbage of the client, which is in the same process.
t.test('over the batched socket there is little: for each batch, not for each query', async (t) => {
  const { socket: octets = Number.NaN } = await garbage('socket', each / 5)
  t.ok(octets < 200, `${octets.toFixed(1)} octets each`)
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { leftOf, ownDirectories, run, until } from './own-daemon.ts'

t.setTimeout(240_000)
const tutorial = join(import.meta.dirname, '../../examples/redis.ts')

t.test('the tutorial, twice, on a daemon that connect() starts and that leaves by itself', async (t) => {
  using directories = ownDirectories()
  const env = {
    ...process.env,
    MOORAGE_STATE_DIR: directories.stateDirectory,
    MOORAGE_RUNTIME_DIR: directories.runtimeDirectory,
  }
  for (const time of ['first', 'second']) {
    const { code, stdout, stderr } = await run(process.execPath, [tutorial], env)
    t.equal(code, 0, `the ${time} run succeeds: ${stderr}`)
    for (const expected of ['PONG', 'the same', '+PONG', 'one Redis']) t.match(stdout, expected)
  }
  const socket = join(directories.runtimeDirectory, 'moorage.sock')
  const status = await run(
    process.execPath,
    [join(import.meta.dirname, '../../src/cli/main.ts'), 'status', '--json'],
    env,
  )
  const { pid, instance } = JSON.parse(status.stdout) as { pid: number; instance: string }
  await until(
    'the daemon left after its 10 s',
    () => !existsSync(socket) && !existsSync(`/proc/${pid}`),
    40_000,
  )
  t.same(await leftOf(instance), [], 'nothing of it is left')
})

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const setupHost = join(import.meta.dirname, '../../scripts/setup-host')

t.test('on a host that is prepared, setup-host changes nothing, and says so at once', async (t) => {
  t.equal(spawnSync(setupHost, ['--tests']).status, 0)
  // Of cgroups only: other tests mount and unmount at the same time.
  const cgroupMounts = () =>
    readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('cgroup'))
  const mounts = cgroupMounts()
  const begin = performance.now()
  const { status, stdout, stderr } = spawnSync(setupHost, ['--tests'], { encoding: 'utf8' })
  t.ok(performance.now() - begin < 500, 'within half a second')
  t.equal(status, 0)
  t.equal(stdout, 'setup-host: all is there, for the tests too\n')
  t.equal(stderr, '')
  t.same(cgroupMounts(), mounts)
})

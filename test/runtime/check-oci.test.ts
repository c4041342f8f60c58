import { existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import t from 'tap'
import { checkOci } from '../../src/runtime/oci/index.ts'

t.test('a host that is set up passes each check, and one of them is a container', async (t) => {
  const probes = await checkOci()
  t.same(
    probes.map(({ name }) => name),
    ['OCI runtime', 'seccomp profile', 'cgroups', 'overlayfs', 'containers'],
  )
  for (const { name, ok, detail } of probes) t.ok(ok, `${name}: ${detail}`)
  t.notOk(existsSync(`/sys/fs/cgroup/pids/moorage-doctor-${process.pid}`))
})

t.test('a state directory that an overlay cannot be made on is told, with a remedy', async (t) => {
  const before = readdirSync(tmpdir())
  // No upper directory can be on procfs.
  const probes = await checkOci({ stateDirectory: '/proc/sys' })
  const containers = probes.find(({ name }) => name === 'containers')
  t.equal(containers?.ok, false)
  t.ok(containers?.remedy)
  t.same(
    readdirSync(tmpdir()).filter((name) => name.startsWith('moorage-doctor-') && !before.includes(name)),
    [],
  )
})

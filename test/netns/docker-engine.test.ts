/** With a Docker engine on the machine: its FORWARD policy at DROP, and br_netfilter on. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDockerd } from '../bench/own-dockerd.ts'
import { removeTree } from '../remove-tree.ts'
import { onOwnHost } from './own-host.ts'

t.setTimeout(240_000)

t.test('networks keep their promises beside a Docker engine', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-docker-'))
  t.teardown(() => removeTree(directory))
  await using engine = await startDockerd(join(directory, 'engine'), { shut: true })
  t.comment(engine.versions)
  await engine.docker('network', 'create', '--subnet', '172.28.0.0/16', 'theirs')
  await onOwnHost(t, 'docker-engine-program.ts', { into: engine.pid })
})

import t from 'tap'
import type { PlannedExec } from '../../src/engine/plan/planned.ts'
import { shownName } from '../../src/engine/shown-name.ts'

const exec = (args: string[], customName?: string) =>
  ({ args, customName, root: { name: 'busybox-static' } }) as unknown as PlannedExec

t.test(
  'a service is called by its hostname, its alias, or its command, never by a package (E19)',
  async (t) => {
    t.equal(shownName(exec(['/usr/bin/redis-server'], 'cache'), 'db'), 'cache')
    t.equal(shownName(exec(['/usr/bin/redis-server']), 'db'), 'db')
    t.equal(shownName(exec(['/usr/bin/redis-server', '--save', '']), undefined), 'redis-server')
    t.equal(shownName(exec(['sh', '-c', 'x']), undefined), 'sh')
    t.equal(shownName(exec([]), undefined), 'busybox-static', 'a service of the host has no command')
  },
)

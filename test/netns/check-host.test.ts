/** The networking part of `moorage doctor`, on a host that is made ill on purpose. */
import t from 'tap'
import { onOwnHost } from './own-host.ts'

t.setTimeout(120_000)

t.test('what is around networks is found, each with a remedy that works', (t) =>
  onOwnHost(t, 'check-host-program.ts'),
)

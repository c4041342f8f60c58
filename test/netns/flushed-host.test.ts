/** Isolation while somebody flushes the rules of the host. */
import t from 'tap'
import { onOwnHost } from './own-host.ts'

t.setTimeout(120_000)

t.test('a flush of the host’s rules opens nothing, and leaves nothing open (N09)', (t) =>
  onOwnHost(t, 'flushed-host-program.ts'),
)

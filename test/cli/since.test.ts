import t from 'tap'
import { momentOf } from '../../src/cli/options/since.ts'

t.test('a moment is a duration before now, or a time', async (t) => {
  t.equal(momentOf('--since', '10s', 50_000), 40_000)
  t.equal(momentOf('--since', '2026-01-02T03:04:05Z', 0), Date.UTC(2026, 0, 2, 3, 4, 5))
  t.throws(() => momentOf('--since', '2026-13-77T99:00Z', 0), { code: 'INVALID_OPTION' })
  t.throws(() => momentOf('--since', 'yesterday', 0), { code: 'INVALID_OPTION' })
})

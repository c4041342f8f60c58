import t from 'tap'
import { adviceOn } from '../../src/lifecycle/health/advice.ts'
import type { ServiceCheck } from '../../src/lifecycle/index.ts'

const advice = (check: ServiceCheck, answer?: string) => adviceOn([{ check, answer }])
const tcp: ServiceCheck = { kind: 'tcp', port: 80 }

t.test('the hint fits the kind of check, and what it saw (E09)', async (t) => {
  const log: ServiceCheck = { kind: 'log', pattern: 'ready' }
  const exec: ServiceCheck = { kind: 'exec', args: ['true'] }
  const http: ServiceCheck = { kind: 'http', port: 80, path: '/' }
  for (const check of [log, exec]) t.notMatch(advice(check, 'none of 0 lines matches'), '0.0.0.0')
  t.notMatch(advice(tcp, 'refused: it listens on 6379 instead'), '0.0.0.0')
  t.match(advice(tcp, 'refused: it listens on 6379 instead'), 'expose the port that it listens on')
  t.match(
    advice(tcp, 'refused: it listens on 127.0.0.1 only; let it listen on 0.0.0.0'),
    'let it listen on 0.0.0.0',
  )
  t.match(advice(tcp, 'refused'), 'check that it listens on 0.0.0.0 and on that port')
  t.match(advice(http, 'answered 503'), 'a status that the check accepts')
  t.notMatch(advice(http, 'answered 503'), '0.0.0.0')
  t.match(advice(http, 'refused'), '0.0.0.0')
  for (const check of [log, exec, tcp, http]) t.match(advice(check), /startTimeout gives it longer$/)
  const both = adviceOn([
    { check: log, answer: undefined },
    { check: tcp, answer: undefined },
    { check: { kind: 'tcp', port: 81 }, answer: undefined },
  ])
  t.equal(both.split('; ').filter((part) => part.includes('0.0.0.0')).length, 1, 'each advice once')
})

import t from 'tap'
import { isolationMatrix } from './matrix.ts'

t.setTimeout(180_000)

t.test('who reaches whom, IPv4 and IPv6', (t) => isolationMatrix(t))

t.test('who reaches whom, IPv4 alone', (t) => isolationMatrix(t, { ipv6: false }))

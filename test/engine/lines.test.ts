import t from 'tap'
import { Lines, longestLine } from '../../src/engine/probes/lines.ts'

const linesOf = (...pieces: string[]) => {
  const lines = new Lines()
  return { ended: pieces.flatMap((piece) => lines.add(Buffer.from(piece))), unfinished: lines.unfinished }
}

t.test('a newline, a carriage return or both end a line (L04b)', async (t) => {
  t.same(linesOf('a\rlistening\r'), { ended: ['a', 'listening'], unfinished: '' })
  t.same(linesOf('a\r\nb\nc\rd'), { ended: ['a', 'b', 'c'], unfinished: 'd' })
  t.same(linesOf('a\r', '\nb\n'), { ended: ['a', 'b'], unfinished: '' })
  t.same(linesOf('10%\r20%\r', '30', '%\rdone'), { ended: ['10%', '20%', '30%'], unfinished: 'done' })
})

t.test('the unfinished line is there to be looked at (L04)', async (t) => {
  t.same(linesOf('liste', 'ning'), { ended: [], unfinished: 'listening' })
  const long = linesOf('x'.repeat(longestLine + 10), 'y\rz')
  t.equal(long.ended[0]?.length, longestLine)
  t.equal(long.unfinished, 'z', 'the rest of a line that is too long is passed over, up to its end')
})

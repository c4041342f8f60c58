import t from 'tap'
import { Interests } from '../../src/engine/interests.ts'
import { KeptOutputs } from '../../src/engine/kept-outputs.ts'

t.test('short outputs are kept, up to a bound; those not asked for go first', async (t) => {
  const kept = new KeptOutputs()
  kept.set('long', Buffer.alloc(64 * 1024 + 1))
  t.equal(kept.get('long'), undefined)
  const piece = Buffer.alloc(64 * 1024)
  for (let n = 0; n < 200; n += 1) kept.set(`${n}`, piece)
  t.ok(kept.get('0'))
  for (let n = 200; n < 300; n += 1) kept.set(`${n}`, piece)
  t.ok(kept.get('0'), 'asked for lately')
  t.equal(kept.get('1'), undefined)
  t.ok(kept.get('299'))
})

t.test('an interest ends with its caller, or with all', async (t) => {
  const interests = new Interests()
  const [one, two] = [new AbortController(), new AbortController()]
  const [first, second] = [interests.open(one.signal), interests.open(two.signal)]
  one.abort('gone')
  t.same([first.signal.reason, second.signal.aborted], ['gone', false])
  t.equal(interests.open(one.signal).signal.reason, 'gone', 'who has gone already')
  const third = interests.open(new AbortController().signal)
  third[Symbol.dispose]()
  interests.end('closing')
  t.same([second.signal.reason, third.signal.aborted], ['closing', false])
  t.equal(interests.open(new AbortController().signal).signal.reason, 'closing')
})

import t from 'tap'
import { CallerSignals } from '../../src/engine/calls/caller-signals.ts'

t.test(
  'the signal of a caller is aborted when the caller goes, and with all when they are ended',
  async (t) => {
    const callerSignals = new CallerSignals()
    const [one, two] = [new AbortController(), new AbortController()]
    const [first, second] = [callerSignals.open(one.signal), callerSignals.open(two.signal)]
    one.abort('gone')
    t.same([first.signal.reason, second.signal.aborted], ['gone', false])
    t.equal(callerSignals.open(one.signal).signal.reason, 'gone', 'a caller that has gone already')
    const third = callerSignals.open(new AbortController().signal)
    third[Symbol.dispose]()
    callerSignals.end('closing')
    t.same([second.signal.reason, third.signal.aborted], ['closing', false])
    t.equal(callerSignals.open(new AbortController().signal).signal.reason, 'closing')
  },
)

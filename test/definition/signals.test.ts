import { constants } from 'node:os'
import t from 'tap'
import { signalName, signalNumber, signalProblem } from '../../src/definition/index.ts'

t.test('every signal that this system names has its number, however it is written (L10, L10c)', async (t) => {
  for (const [name, number] of Object.entries(constants.signals)) {
    const short = name.slice(3)
    for (const spelling of [name, short, name.toLowerCase(), short.toLowerCase(), String(number)]) {
      t.equal(signalNumber(spelling), number, spelling)
    }
  }
})

t.test('real-time signals count from both ends (L10)', async (t) => {
  const numbers: Record<string, number> = {
    'SIGRTMIN+3': 37,
    'RTMIN+3': 37,
    'rtmin+3': 37,
    'RTMIN+03': 37,
    SIGRTMIN: 34,
    'SIGRTMIN+30': 64,
    'SIGRTMAX-1': 63,
    RTMAX: 64,
    'RTMAX-30': 34,
    '37': 37,
    '32': 32,
    '64': 64,
  }
  for (const [name, number] of Object.entries(numbers)) t.equal(signalNumber(name), number, name)
})

t.test('what the kernel does not know is no signal (L10b, L10c)', async (t) => {
  const wrong = [
    'SIGNOPE',
    'NOPE',
    '',
    'SIG',
    '0',
    '65',
    '-9',
    '9.0',
    '1e1',
    'SIGSIGTERM',
    'SIG9',
    ' TERM',
    'TERM ',
  ]
  wrong.push(
    'RTMIN+31',
    'RTMAX-31',
    'RTMIN-1',
    'RTMAX+1',
    'RTMIN+',
    'RTMIN3',
    'RTMIN+3+3',
    'toString',
    '__proto__',
  )
  for (const name of wrong) {
    t.equal(signalNumber(name), undefined, name)
    t.match(signalProblem(name), /no signal of Linux/)
  }
})

t.test('each number has one name, which leads back to it', async (t) => {
  for (let number = 1; number <= 64; number++) t.equal(signalNumber(signalName(number) ?? ''), number)
  t.equal(signalName(9), 'SIGKILL')
  t.equal(signalName(6), 'SIGABRT')
  t.equal(signalName(37), 'SIGRTMIN+3')
  t.equal(signalName(63), 'SIGRTMAX-1')
  for (const none of [0, -1, 65, 1.5, Number.NaN]) t.equal(signalName(none), undefined)
})

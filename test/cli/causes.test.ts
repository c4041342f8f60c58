import t from 'tap'
import { causesOf, type Facts } from '../../src/cli/services/causes.ts'
import type { ProgressEvent, ServiceRow } from '../../src/definition/index.ts'

const now = 1_000_000
const row = (fields: Partial<ServiceRow>): ServiceRow => ({
  id: 'aaaaaaaaaaaa',
  label: 'aaaaaaaaaaaaaaaa',
  name: 'db',
  hostname: 'aaaaaaaaaaaaaaaa.moorage.internal',
  network: 'default',
  state: 'ready',
  health: 'healthy',
  clients: [],
  aliases: [],
  address: null,
  ports: [],
  hostPorts: [],
  image: 'x',
  args: ['x'],
  since: now - 2_000,
  startedAt: now - 2_000,
  stopsAt: null,
  exitCode: null,
  error: null,
  ...fields,
})

let seq = 0
const event = (ago: number, fields: object): ProgressEvent => {
  seq += 1
  return {
    type: 'progress',
    seq,
    time: now - ago,
    id: 'aaaaaaaaaaaaaaaa',
    name: 'db',
    network: 'default',
    ...fields,
  } as ProgressEvent
}
const state = (ago: number, name: string, because: string, fields: object = {}) =>
  event(ago, { kind: 'service', state: name, because, ...fields })

const causes = (service: ServiceRow, history: ProgressEvent[], more: Partial<Facts> = {}) =>
  causesOf({ service, history, namesakes: [], now, ...more })

const earlierLife = [
  state(90_000, 'starting', 'wanted', { by: 'pin' }),
  event(80_000, { kind: 'lease', state: 'taken', holder: 'pin' }),
  event(70_000, { kind: 'lease', state: 'released', holder: 'pin' }),
  state(60_000, 'stopping', 'requested'),
]

t.test('nothing is told of an earlier life (B3)', async (t) => {
  const failed = row({ state: 'failed', error: 'not healthy after 2 s' })
  const history = [
    ...earlierLife,
    state(5_000, 'starting', 'wanted', { by: 'pin' }),
    state(2_000, 'stopping', 'not-healthy-in-time'),
  ]
  t.notMatch(JSON.stringify(causes(failed, history)), 'was the last')
  const used = [...history.slice(0, -1), event(3_000, { kind: 'lease', state: 'released', holder: 'run x' })]
  t.match(
    JSON.stringify(causes(row({ state: 'grace', stopsAt: now + 1_000 }), used)),
    'run x was the last, 3s ago',
  )
})

t.test('a run whose result was stored was not started by what was before (B3)', async (t) => {
  const history = [
    event(9_000, { kind: 'exec', state: 'waiting' }),
    event(8_000, { kind: 'exec', state: 'done', exitCode: 0 }),
    event(1_000, { kind: 'exec', state: 'cached', age: 7_000 }),
  ]
  t.same(
    causesOf({ history, namesakes: [], now }).map(([effect]) => effect),
    ['not run because'],
  )
})

t.test('after restarts: who asked first, and when, and how often it was restarted (E15)', async (t) => {
  const history = [
    ...earlierLife,
    state(50_000, 'starting', 'wanted', { by: 'run bbbbbbbbbbbbbbbb' }),
    state(20_000, 'starting', 'restart'),
  ]
  t.same(causes(row({}), history), [
    [
      'started because',
      'somebody asked for a restart, 20s ago; first because run bbbbbbbbbbbb wants it, 50s ago',
    ],
  ])
  history.push(state(10_000, 'starting', 'restart'))
  t.same(causes(row({}), history), [
    [
      'started because',
      'somebody asked for a restart, 10s ago, 2 times in all; first because run bbbbbbbbbbbb wants it, 50s ago',
    ],
  ])
})

t.test('a failed one has one reason, and its last line (E16)', async (t) => {
  const failed = row({ state: 'failed', error: 'exited with code 1', exitCode: 1 })
  const history = [state(5_000, 'starting', 'wanted'), state(2_000, 'stopping', 'exited', { exitCode: 1 })]
  const told = causes(failed, history, { lastWords: 'bad config' })
  t.same(told, [
    ['started because', 'it is wanted, 5s ago'],
    ['ended because', 'it exited with code 1, 2s ago'],
    ['failed because', 'exited with code 1'],
    ['its last line', 'bad config'],
  ])
})

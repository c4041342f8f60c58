import t from 'tap'
import { holderText, type NewsOf, type ServiceNews } from '../../src/lifecycle/index.ts'
import { client, FakeDriver, runHolder, settled, watch, world } from './fake-service.ts'

/** Collects the news of a service, each in a few words. */
function told() {
  const words: string[] = []
  const onNews = (news: ServiceNews & NewsOf) => {
    if (news.kind === 'state') {
      const by = news.by === undefined ? '' : ` by ${holderText(news.by)}`
      words.push(`${news.time}: ${news.from} -> ${news.to}, ${news.because}${by}`)
    } else if (news.kind === 'lease')
      words.push(`${news.time}: lease ${news.action} by ${holderText(news.holder)}`)
    else if (news.kind === 'check')
      words.push(`${news.time}: ${news.name} ${news.state}${news.answer ? `: ${news.answer}` : ''}`)
    else words.push(`${news.time}: ${news.detail}`)
  }
  const begin = () => words.splice(0)
  return { words, onNews, begin }
}

t.test('a life is told in order, with its reasons and its times', async (t) => {
  const { words, onNews } = told()
  const { clock, services } = world({ onNews, defaultGrace: 10_000 })
  const start = clock.now()
  const at = (ms: number, what: string) => `${start + ms}: ${what}`
  const db = new FakeDriver('db')
  db.listens = []
  const wait = watch(services.acquire('net/db', db, client()))
  await clock.advance(5)
  db.process.listening.add(80)
  await clock.advance(3)
  t.equal(wait.done, true)
  wait.value?.release()
  await clock.advance(4_000)
  const again = await services.acquire('net/db', db, client({ holder: runHolder('other') }))
  await clock.advance(10_000)
  again.release()
  await clock.advance(10_000)
  t.strictSame(words, [
    at(0, 'pending -> starting, wanted by run client'),
    at(0, 'starting db'),
    at(2, '80/tcp waiting: refused'),
    at(8, '80/tcp passing'),
    at(8, 'starting -> ready, healthy'),
    at(8, 'lease taken by run client'),
    at(8, 'lease released by run client'),
    at(8, 'ready -> grace, unused'),
    at(4_008, 'grace -> ready, wanted by run other'),
    at(4_008, 'lease taken by run other'),
    at(14_008, 'lease released by run other'),
    at(14_008, 'ready -> grace, unused'),
    at(24_008, 'grace -> stopping, grace-over'),
    at(24_008, 'stopping -> stopped, grace-over'),
  ])
})

t.test('an end says why it is one', async (t) => {
  const cases: [string, (world: Awaited<ReturnType<typeof ready>>) => unknown, string[]][] = [
    [
      'on request',
      ({ services }) => services.stop('net/db'),
      ['ready -> stopping, requested', 'lease ended by run client', 'stopping -> stopped, requested'],
    ],
    [
      'unasked',
      ({ db }) => db.process.exit(3),
      ['ready -> stopping, exited', 'lease lost by run client', 'stopping -> failed, exited'],
    ],
    [
      'with the daemon',
      ({ services }) => services.drain(),
      [
        'ready -> stopping, daemon-stopping',
        'lease ended by run client',
        'stopping -> stopped, daemon-stopping',
      ],
    ],
    [
      'to be started again',
      ({ services }) => services.restart('net/db'),
      [
        'ready -> stopping, restart',
        'stopping -> pending, restart',
        'pending -> starting, restart',
        'starting db',
        '80/tcp passing',
        'starting -> ready, healthy',
      ],
    ],
  ]
  for (const [name, end, expected] of cases) {
    const world = await ready()
    const ended = end(world)
    await world.clock.advance(5)
    await ended
    await settled()
    t.strictSame(
      world.words.map((line) => line.replace(/^\d+: /, '')),
      expected,
      name,
    )
  }
})

async function ready() {
  const { words, onNews, begin } = told()
  const made = world({ onNews })
  const db = new FakeDriver('db')
  const lease = watch(made.services.acquire('net/db', db, client()))
  await made.clock.advance(2)
  if (!lease.done) throw new Error('it did not start')
  begin()
  return { ...made, db, words }
}

t.test(
  'a start that nobody waits for any more is called off; one that takes too long is unhealthy',
  async (t) => {
    for (const why of ['called-off', 'not-healthy-in-time'] as const) {
      const { words, onNews } = told()
      const { clock, services } = world({ onNews })
      const db = new FakeDriver('db')
      db.listens = []
      const abort = new AbortController()
      const wait = watch(services.acquire('net/db', db, client({ signal: abort.signal, startTimeout: 100 })))
      await clock.advance(50)
      if (why === 'called-off') abort.abort()
      await clock.advance(50)
      t.equal(wait.done, true)
      t.match(
        words.slice(3).map((line) => line.replace(/^\d+: /, '')),
        [
          `starting -> stopping, ${why}`,
          `stopping -> ${why === 'called-off' ? 'stopped' : 'failed'}, ${why}`,
        ],
      )
    }
  },
)

t.test('a listener that throws does not become a service’s failure', async (t) => {
  const warned: unknown[] = []
  const onWarning = (warning: unknown) => warned.push(warning)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const { clock, services } = world({
    onNews: () => {
      throw new Error('the listener is broken')
    },
  })
  const wait = watch(services.acquire('net/db', new FakeDriver('db'), client()))
  await clock.advance(10)
  t.match(wait.value, { key: 'net/db' })
  await new Promise(setImmediate)
  t.match(warned[0], { message: 'the listener is broken' })
})

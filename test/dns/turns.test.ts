import t from 'tap'
import { createDnsServer } from '../../dns/index.ts'
import { createTurns } from '../../dns/sockets/turns.ts'
import { tcpClient, udpClient, until } from './clients.ts'
import { question } from './wire.ts'

const turn = () => new Promise((resolve) => setImmediate(resolve))

t.test('who has more to do queues up again behind the others', async (t) => {
  const turns = createTurns()
  const order: string[] = []
  const worker = (name: string, times: number) => {
    let left = times
    const visit = () => {
      order.push(name)
      if (--left > 0) turns.visit(visit)
    }
    return visit
  }
  for (const name of 'abcdefghij') turns.visit(worker(name, 3))
  t.equal(order.join(''), 'abcdefgh', 'eight in a turn, at once')
  await turn()
  t.equal(order.join('').slice(8), 'abcdefgh', 'who queued up first goes first')
  await turn()
  t.equal(order.join('').slice(16, 18), 'ij', 'and who has had two visits waits')
  await turn()
  t.equal(order.length, 30)
  for (const name of 'abcdefghij') t.equal(order.filter((one) => one === name).length, 3, name)
  await turn()
  await turn()
  turns.visit(worker('x', 1))
  t.equal(order.at(-1), 'x', 'and then there is room at once')
})

t.test('a visit that waits is made once, or not at all if it was called off', async (t) => {
  const turns = createTurns()
  let made = 0
  const visit = () => void made++
  for (let index = 0; index < 8; index++) turns.visit(() => undefined)
  turns.visit(visit)
  turns.visit(visit)
  await turn()
  t.equal(made, 1)
  for (let index = 0; index < 8; index++) turns.visit(() => undefined)
  turns.visit(visit)
  turns.forget(visit)
  await turn()
  await turn()
  t.equal(made, 1)
})

t.test('thousands of queries in one segment keep no datagram waiting', async (t) => {
  await using dns = await createDnsServer({
    zones: ['dev.internal'],
    listen: [{ address: '127.0.0.1', port: 0 }],
  })
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  const port = dns.addresses[0]?.port ?? 0
  using tcp = await tcpClient(port)
  using udp = await udpClient(port)
  const count = 1500
  tcp.send(...Array.from({ length: count }, (_, id) => question('db.dev.internal', 'A', { id })))
  await until(() => dns.counters.tcpQueries > 0, 'the first of them')
  udp.send(question('db.dev.internal', 'A', { id: 7 }))
  await udp.received(1)
  t.ok(dns.counters.tcpQueries < count, `${dns.counters.tcpQueries} of ${count} went before it`)
  await tcp.received(count)
  t.same(
    tcp.answers.map((answer) => answer.readUInt16BE(0)),
    Array.from({ length: count }, (_, id) => id),
  )
})

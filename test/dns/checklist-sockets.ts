import { once } from 'node:events'
import type { Test } from 'tap'
import { createDnsServer, type DnsServerOptions } from '../../dns/index.ts'
import { dig, tcpClient, udpClient, until } from './clients.ts'
import { answerTo, fakeUpstream, frame } from './fake-upstream.ts'
import { ManualClock } from './manual-clock.ts'
import { optOf } from './read.ts'
import { header, opt, question } from './wire.ts'

/** One line of the checklist that only sockets can show. */
export interface SocketLine {
  rfc: string
  does: string
  show: (t: Test) => Promise<void>
}

async function serving(options: Partial<DnsServerOptions> = {}) {
  const dns = await createDnsServer({
    zones: ['dev.internal'],
    listen: [{ address: '127.0.0.1', port: 0 }],
    ...options,
  })
  dns.zone('dev.internal').set('db', ['10.0.0.7'])
  return { dns, port: dns.addresses[0]?.port ?? 0, [Symbol.asyncDispose]: () => dns.close() }
}

const name = 'www.example.com'

export const socketLines: SocketLine[] = [
  {
    rfc: 'RFC 1035, 4.2.2',
    does: 'over TCP, two octets of length precede a message, in the same write',
    async show(t) {
      await using server = await serving()
      using client = await tcpClient(server.port)
      client.socket.write(frame(question('db.dev.internal')))
      const [first] = (await once(client.socket, 'data')) as [Buffer]
      t.equal(first.length, 2 + first.readUInt16BE(0), 'one segment has all of it')
    },
  },
  {
    rfc: 'RFC 2181, 4',
    does: 'an answer comes from the address that was asked',
    async show(t) {
      await using server = await serving({
        listen: ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, port: 0 })),
      })
      for (const { address, port } of server.dns.addresses) {
        // dig takes an answer from that address only.
        t.equal((await dig(port, `@${address}`, 'db.dev.internal')).status, 'NOERROR', address)
      }
    },
  },
  {
    rfc: 'RFC 5452, 9.1 and 9.2',
    does: 'ids and ports are random; only the answer with the id, from the address and to the question counts',
    async show(t) {
      await using upstream = await fakeUpstream((query) => {
        const other = answerTo(query, ['6.6.6.6'])
        other.write('evil', 13)
        return [
          answerTo(query, ['6.6.6.6'], { id: query.readUInt16BE(0) ^ 1 }),
          other,
          answerTo(query, ['192.0.2.1']),
        ]
      })
      await using server = await serving({ upstreams: [upstream.where] })
      for (let index = 0; index < 30; index++) {
        const { answers } = await server.dns.query(`a${index}.example.com`)
        t.same(
          answers.map(({ data }) => data),
          ['192.0.2.1'],
        )
      }
      t.ok(new Set(upstream.queries.map(({ message }) => message.readUInt16BE(0))).size > 25, 'ids')
      t.ok(new Set(upstream.queries.map(({ port }) => port)).size > 25, 'ports')
    },
  },
  {
    rfc: 'RFC 5625, 4',
    does: 'a forwarded query is passed on unchanged: types, flags, options, OPT, sizes, TC; only the id is ours',
    async show(t) {
      await using upstream = await fakeUpstream((query) => answerTo(query, ['192.0.2.1']))
      await using server = await serving({ upstreams: [upstream.where] })
      using client = await udpClient(server.port)
      const asked: [say: string, query: Buffer][] = [
        ['a type that nobody knows', question(name, 65280, { id: 1 })],
        ['flags', question(name, 'A', { id: 2, flags: 0x0170 })],
        ['case', question('wWw.eXaMpLe.CoM', 'A', { id: 3 })],
        [
          'options, DO and a size of 4,096',
          question(name, 'HTTPS', {
            id: 4,
            rest: [opt({ size: 4096, flags: 0x8000, options: Buffer.from('fde90002abcd', 'hex') })],
          }),
        ],
      ]
      for (const [index, [say, query]] of asked.entries()) {
        client.send(query)
        await client.received(index + 1)
        t.same(upstream.queries[index]?.message.subarray(2), query.subarray(2), `${say}: what was asked`)
        t.same(client.answers[index], answerTo(query, ['192.0.2.1']), `${say}: what was answered`)
      }
    },
  },
  {
    rfc: 'RFC 5625, 4.4; RFC 7766, 5',
    does: 'an answer that did not fit into a datagram is fetched over TCP; a client over UDP gets TC, one over TCP the answer',
    async show(t) {
      const many = Array.from({ length: 60 }, (_, index) => `192.0.2.${index}`)
      await using upstream = await fakeUpstream((query, transport) =>
        transport === 'udp' ? answerTo(query, [], { flags: 0x8380 }) : answerTo(query, many),
      )
      await using server = await serving({ upstreams: [upstream.where] })
      t.match((await dig(server.port, name, '+ignore', '+noedns')).text, /flags: qr tc/)
      t.equal((await dig(server.port, name)).answers.length, 60, 'and asks again')
    },
  },
  {
    rfc: 'RFC 7766, 6.2.1; RFC 9210',
    does: 'TCP is always offered; many queries on one connection are answered in the order in which answers are ready',
    async show(t) {
      const held: Buffer[] = []
      await using upstream = await fakeUpstream((query) => void held.push(query))
      await using server = await serving({ upstreams: [upstream.where] })
      using client = await tcpClient(server.port)
      client.send(question(name, 'A', { id: 1 }), question('db.dev.internal', 'A', { id: 2 }))
      t.equal(header((await client.received(1))[0] as Buffer).id, 2)
      await until(() => held.length === 1, 'the forwarded query')
      upstream.say(answerTo(held[0] as Buffer, ['192.0.2.1']))
      t.equal(header((await client.received(2))[1] as Buffer).id, 1)
    },
  },
  {
    rfc: 'RFC 7766, 6.2.2 and 6.2.3',
    does: 'connections are limited, in all and for each client, and idle ones are destroyed after 10 s',
    async show(t) {
      const clock = new ManualClock()
      await using server = await serving({ clock, limits: { connections: 6, connectionsPerClient: 4 } })
      const open = await Promise.all(Array.from({ length: 5 }, () => tcpClient(server.port)))
      await until(() => server.dns.counters.connections === 5, 'all connections')
      t.match(server.dns.counters, { openConnections: 4, connectionsRefused: 1 }, 'the oldest idle one went')
      clock.advance(10_000)
      await Promise.all(open.map(({ ended }) => ended))
      t.match(server.dns.counters, { openConnections: 0 })
    },
  },
  {
    rfc: 'RFC 7828',
    does: 'edns-tcp-keepalive is ignored, over TCP too',
    async show(t) {
      await using server = await serving()
      using client = await tcpClient(server.port)
      client.send(
        question('db.dev.internal', 'A', { rest: [opt({ options: Buffer.from('000b0000', 'hex') })] }),
      )
      const [answer] = await client.received(1)
      t.match(header(answer as Buffer), { rcode: 0, answers: 1 })
      t.match(optOf(answer as Buffer), { options: 0 })
    },
  },
  {
    rfc: 'RFC 8914, 4.23',
    does: 'if no upstream answers, SERVFAIL gives the reason 22, No Reachable Authority',
    async show(t) {
      await using server = await serving({ upstreams: ['127.0.0.1:1'] })
      const failed = await dig(server.port, name)
      t.equal(failed.status, 'SERVFAIL')
      t.match(failed.text, /EDE: 22/)
    },
  },
]

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { addressText, isLoopback, listenersOf } from '../../src/engine/probes/listeners.ts'
import { describe } from '../../src/engine/probes/port.ts'

t.test('sockets that wait are seen, and whether only their own host reaches them', async (t) => {
  for (const [host, loopback] of [
    ['0.0.0.0', false],
    ['127.0.0.1', true],
    ['127.0.0.9', true],
    ['::', false],
    ['::1', true],
  ] as const) {
    const server = createServer().listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const found = (await listenersOf(process.pid, 'tcp')).filter((one) => one.port === port)
    t.strictSame(found, [{ port, loopback }], `tcp ${host}`)
    server.close()

    const udp = createSocket({
      type: host.includes(':') ? 'udp6' : 'udp4',
      ipv6Only: host.includes(':'),
    }).bind(0, host)
    await once(udp, 'listening')
    const bound = udp.address().port
    const seen = (await listenersOf(process.pid, 'udp')).filter((one) => one.port === bound)
    t.strictSame(seen, [{ port: bound, loopback }], `udp ${host}`)
    udp.close()
  }
})

t.test('a connected socket is none, nor has a process that is gone any', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = createSocket('udp4')
  client.connect(port, '127.0.0.1')
  await once(client, 'connect')
  const own = client.address().port
  t.notOk((await listenersOf(process.pid, 'udp')).some((one) => one.port === own))
  client.close()
  server.close()
  t.strictSame(await listenersOf(2 ** 22 + 1, 'tcp'), [])
  t.equal(isLoopback('0000000000000000FFFF00000100007F'), true, '::ffff:127.0.0.1')
  t.equal(isLoopback('0000000000000000FFFF00000100000A'), false, '::ffff:10.0.0.1')
})

t.test('what is said of a refusal is what the kernel lists (N17, N17b)', async (t) => {
  const at = (address: string, port = 80) => ({
    address,
    port,
    loopback: address.startsWith('127.') || address === '::1',
  })
  const said = (...sockets: { address: string; port: number; loopback: boolean }[]) =>
    describe(sockets, 80, 'refused')
  t.equal(said(at('::')), 'refused: it listens on 80 for IPv6 only; let it listen on 0.0.0.0')
  t.equal(said(at('::1')), 'refused: it listens on ::1 only; let it listen on 0.0.0.0')
  t.equal(said(at('127.0.0.1')), 'refused: it listens on 127.0.0.1 only; let it listen on 0.0.0.0')
  t.equal(
    said(at('127.0.0.1'), at('::1'), at('127.0.0.1')),
    'refused: it listens on 127.0.0.1 and ::1 only; let it listen on 0.0.0.0',
  )
  t.equal(said(at('10.9.9.9')), 'refused: it listens on 10.9.9.9 only; let it listen on 0.0.0.0')
  t.equal(said(at('0.0.0.0')), 'refused', 'it has begun to listen just now')
  t.equal(said(at('0.0.0.0', 6379), at('::', 81)), 'refused: it listens on 81, 6379 instead')
  t.equal(said(), 'refused')
  for (const [hex, text] of [
    ['0100007F', '127.0.0.1'],
    ['00000000000000000000000000000000', '::'],
    ['00000000000000000000000001000000', '::1'],
    ['B80D01200000000000000000FF000000', '2001:db8::ff'],
    ['0000000000000000FFFF00000100007F', '127.0.0.1'],
  ] as const)
    t.equal(addressText(hex), text)
})

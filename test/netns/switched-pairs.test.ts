/** Frames that the bridge itself passes on between sandboxes, and others that it does not. See also isolation.test.ts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { SwitchedPairs } from '../../netns/firewall/switched-pairs.ts'
import type { Network, Sandbox } from '../../netns/index.ts'
import { connectTcp } from '../../netns/sockets/sockets.ts'
import { serveEcho, tryTcp, tryUdp } from './peers.ts'
import { inside, ownNetwork } from './support.ts'

t.setTimeout(180_000)
const port = 8080

interface Test {
  teardown(fn: () => unknown): unknown
}

/** Counts the packets that the IP layer of a network’s namespace has passed on. */
function forwarded(network: Network): number {
  const [names, values] = inside(network.namespace, 'cat', '/proc/net/snmp')
    .split('\n')
    .filter((line) => line.startsWith('Ip:'))
    .map((line) => line.split(' ')) as [string[], string[]]
  return Number(values[names.indexOf('ForwDatagrams')])
}

/** Counts the packets that the IP layer passes on meanwhile. */
async function counted(network: Network, what: () => Promise<{ result: string }>): Promise<[string, number]> {
  const before = forwarded(network)
  const { result } = await what()
  return [result, forwarded(network) - before]
}

async function boxesOf(t: Test, network: Network, count: number): Promise<Sandbox[]> {
  const boxes = await Promise.all(Array.from({ length: count }, () => network.createSandbox()))
  for (const box of boxes) await serveEcho(t, box.fd, port)
  return boxes
}

t.test('with isolation network all is passed on by the bridge', async (t) => {
  const network = await ownNetwork(t)
  const [one, other] = (await boxesOf(t, network, 2)) as [Sandbox, Sandbox]
  t.same(await counted(network, () => tryTcp(one.fd, other.address, port, 1_000_000)), ['open', 0])
  t.same(await counted(network, () => tryUdp(one.fd, other.address, port, 8000)), ['open', 0])
})

t.test('with isolation bindings the IP layer sees who opens a connection, and all but TCP', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const [service, client] = (await boxesOf(t, network, 2)) as [Sandbox, Sandbox]
  await network.grant(client, service)
  t.same(await counted(network, () => tryTcp(client.fd, service.address, port, 1_000_000)), ['open', 1])
  t.same(await counted(network, () => tryUdp(client.fd, service.address, port)), ['open', 2])
})

t.test('from bridge to bridge the IP layer passes it on', async (t) => {
  for (const isolation of ['network', 'bindings'] as const) {
    const network = await ownNetwork(t, { isolation, portsPerBridge: 1 })
    const [service, client] = (await boxesOf(t, network, 2)) as [Sandbox, Sandbox]
    if (isolation === 'bindings') {
      t.equal((await tryTcp(client.fd, service.address, port)).result, 'ECONNREFUSED')
      await network.grant(client, service)
    }
    const [result, packets] = await counted(network, () => tryTcp(client.fd, service.address, port, 100_000))
    t.equal(result, 'open', isolation)
    t.ok(packets > 4, `${packets} packets`)
    if (isolation === 'bindings') {
      await network.revoke(client, service)
      t.equal((await tryTcp(client.fd, service.address, port)).result, 'ECONNREFUSED')
    }
  }
})

/** Records the TCP segments that a sandbox hears, by a socket that gets all of them: `10.0.0.2:flags`. */
const listening = `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
print('ready', flush=True)
while True:
    packet = s.recv(2048)
    head = (packet[0] & 15) * 4
    if int.from_bytes(packet[head:head + 2], 'big') != 4444: continue
    flags = packet[head + 13]
    print('%s:%02x' % (socket.inet_ntoa(packet[12:16]), flags), flush=True)
    if flags == 0x3f: break`

/** Sends a TCP header with each of these flags, which belongs to nothing. */
const sending = `
import socket, struct, sys
own, to, *all = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
s.bind((own, 0))
for flags in all:
    head = struct.pack('!HHIIBBHHH', 4444, 4445, 1, 1, 0x50, int(flags, 16), 1000, 0, 0)
    data = socket.inet_aton(own) + socket.inet_aton(to) + struct.pack('!HH', 6, len(head)) + head
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    s.sendto(head[:16] + struct.pack('!H', ~total & 0xffff) + head[18:], (to, 0))`

t.test('what opens no connection passes only between those of a grant', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const boxes = await Promise.all(Array.from({ length: 4 }, () => network.createSandbox()))
  const [service, client, stranger, honest] = boxes as [Sandbox, Sandbox, Sandbox, Sandbox]
  const send = (from: Sandbox, to: Sandbox, ...flags: string[]) =>
    inside(from.namespace, '/usr/bin/python3', '-c', sending, from.address, to.address, ...flags)
  /** Returns the segments that are heard; the last, with all flags, comes from a sandbox that may send. */
  const heard = async (to: Sandbox, act: () => void) => {
    const child = spawn('nsenter', [`--net=${to.namespace}`, '/usr/bin/python3', '-c', listening], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    act()
    send(honest, to, '3f')
    return (await text(child.stdout)).trim().split('\n').slice(0, -1)
  }
  const [fin, syn, rst, ack, synAck, none] = ['01', '02', '04', '10', '12', '00'] as const
  await network.grant(honest, service)
  await network.grant(honest, client)
  await network.grant(honest, stranger)
  await network.grant(client, service)
  t.same(
    await heard(service, () => send(client, service, syn, ack, rst)),
    [syn, ack, rst].map((flags) => `${client.address}:${flags}`),
    'a client sends what it likes',
  )
  t.same(
    await heard(client, () => send(service, client, syn, '03', '42', fin, none, synAck, ack, rst)),
    [synAck, ack, rst].map((flags) => `${service.address}:${flags}`),
    'a service nothing that opens a connection',
  )
  t.same(
    await heard(service, () => send(stranger, service, syn, ack, rst, synAck, fin)),
    [],
    'a stranger nothing',
  )
  t.same(
    await heard(stranger, () => send(service, stranger, syn, ack, rst, synAck, fin)),
    [],
    'and gets nothing',
  )
  await network.revoke(client, service)
  t.same(await heard(service, () => send(client, service, syn, ack, rst)), [], 'once it is revoked, nothing')
  t.same(await heard(client, () => send(service, client, ack, rst)), [], 'nor the other way')
})

/** A connection through which bytes go, and what becomes of it when it is used. */
async function connected(t: Test, from: Sandbox, to: Sandbox) {
  const server = await to.listenTcp(port + 1)
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = await connectTcp(from.fd, to.address, port + 1, { timeout: 2000 })
  const [service] = await accepted
  t.teardown(() => {
    client.destroy()
    service.destroy()
    server.close()
  })
  for (const socket of [client, service]) socket.on('error', () => {})
  const sent = async (writer: Socket, reader: Socket) => {
    const limit = AbortSignal.timeout(5000)
    const outcome = Promise.race([
      // If there are two resets, the reader's may come first.
      once(reader, 'data', { signal: limit }).then(
        () => 'heard',
        () => new Promise<never>(() => {}),
      ),
      new Promise<string>((resolve) => writer.on('close', () => resolve('reset'))),
      new Promise<string>((resolve) => limit.addEventListener('abort', () => resolve('silence'))),
    ])
    writer.write('x')
    return outcome
  }
  const use = { byClient: () => sent(client, service), byService: () => sent(service, client) }
  if ((await use.byClient()) !== 'heard' || (await use.byService()) !== 'heard') throw new Error('not open')
  server.close()
  return use
}

t.test('what is revoked ends whoever sends next', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const [service, client] = [await network.createSandbox(), await network.createSandbox()]
  for (const who of ['byClient', 'byService'] as const) {
    await network.grant(client, service)
    const connection = await connected(t, client, service)
    await network.revoke(client, service)
    t.equal(await connection[who](), 'reset', who)
  }
})

t.test('where each was granted the other, the end of one grant is the end of what it allowed', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const [one, other] = [await network.createSandbox(), await network.createSandbox()]
  await network.grant(one, other)
  await network.grant(other, one)
  const [there, back] = [await connected(t, one, other), await connected(t, other, one)]
  await network.revoke(other, one)
  t.equal(await back.byClient(), 'reset')
  t.equal(await there.byClient(), 'heard')
  t.equal(await there.byService(), 'heard')
})

t.test('a connection does not come back with a grant the other way', async (t) => {
  const network = await ownNetwork(t, { isolation: 'bindings' })
  const [one, other] = [await network.createSandbox(), await network.createSandbox()]
  await network.grant(one, other)
  const connection = await connected(t, one, other)
  await network.revoke(one, other)
  await network.grant(other, one)
  t.equal(await connection.byClient(), 'reset')
})

t.test('nobody hears what others send to all, nor gets what is not sent to the gateway', async (t) => {
  for (const isolation of ['network', 'bindings'] as const) {
    const network = await ownNetwork(t, { isolation })
    const [one, other] = [await network.createSandbox(), await network.createSandbox()]
    await network.grant(one, other)
    const listener = `
import socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(('eth0', 3))
print('ready', flush=True)
while True:
    frame = s.recv(2048)
    if b'moorage-' in frame: print(frame[frame.index(b'moorage-'):].decode(), flush=True)
    if b'moorage-last' in frame: break`
    const child = spawn('nsenter', [`--net=${other.namespace}`, '/usr/bin/python3', '-c', listener], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    const frames = `
import socket, struct, sys
own, own_mac, to, to_mac, gateway_mac = sys.argv[1:]
raw = lambda mac: bytes.fromhex(mac.replace(':', ''))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind(('eth0', 0))
def send(mac, word, ether=0x800):
    data = word.encode()
    if ether == 0x806:
        body = struct.pack('!HHBBH', 1, 0x800, 6, 4, 2) + raw(own_mac) + socket.inet_aton(own) + raw(to_mac) + socket.inet_aton(to) + data
    else:
        # TCP, with ACK: what is switched if anything is.
        tcp = struct.pack('!HHIIBBHHH', 1, 2, 1, 1, 0x50, 0x10, 1000, 0, 0) + data
        head = struct.pack('!BBHHHBBH', 0x45, 0, 20 + len(tcp), 1, 0x4000, 64, 6, 0) + socket.inet_aton(own) + socket.inet_aton(to)
        total = sum(struct.unpack('!10H', head))
        while total >> 16: total = (total & 0xffff) + (total >> 16)
        body = head[:10] + struct.pack('!H', ~total & 0xffff) + head[12:] + tcp
    s.send(raw(mac) + raw(own_mac) + struct.pack('!H', ether) + body)
for mac in (to_mac, 'ff:ff:ff:ff:ff:ff', '01:00:5e:00:00:01', '02:6d:00:00:00:77'):
    send(mac, 'moorage-ip ' + mac)
    send(mac, 'moorage-arp ' + mac, 0x806)
send(gateway_mac, 'moorage-arp ' + gateway_mac, 0x806)
send(gateway_mac, 'moorage-last')`
    const gatewayMac = /ether (\S+)/.exec(
      inside(network.namespace, 'ip', 'link', 'show', 'br0'),
    )?.[1] as string
    inside(
      one.namespace,
      '/usr/bin/python3',
      '-c',
      frames,
      one.address,
      one.mac,
      other.address,
      other.mac,
      gatewayMac,
    )
    t.equal((await text(child.stdout)).trim(), 'moorage-last', isolation)
  }
})

t.test('pairs', async (t) => {
  const held = new Set<string>()
  const pairs = new SwitchedPairs((grant) => held.has(grant.join(' ')))
  const lease = (number: number, bridge = 8) => ({
    link: `s${number}`,
    address: `10.0.0.${number}`,
    mac: `02:6d:0a:00:00:0${number}`,
    bridge,
  })
  const [a, b, c] = [lease(1), lease(2), lease(3, 9)]
  for (const each of [a, b, c]) pairs.admit(each)
  const grant = (from: typeof a, to: typeof a) => {
    held.add(`${from.address} ${to.address}`)
    const undo = pairs.grant([[from.address, to.address]])
    return { undo, ...pairs.change([[from.address, to.address]]) }
  }
  const revoke = (from: typeof a, to: typeof a) => {
    held.delete(`${from.address} ${to.address}`)
    return pairs.change([[from.address, to.address]])
  }
  const ways = [
    { from: a, to: b },
    { from: b, to: a },
  ]

  t.match(grant(b, a), { add: ways, remove: [] }, 'both ways of what one may open')
  t.match(grant(b, a), { add: [], remove: [] }, 'once')
  t.same(revoke(b, a), { add: [], remove: ways })
  t.match(grant(b, a), { add: ways, remove: [] }, 'granted again')
  t.match(grant(b, c), { add: [], remove: [] }, 'not from bridge to bridge')
  t.same(pairs.all(), ways)

  const failed = grant(a, b)
  t.match(failed, { add: [], remove: ways }, 'not where each may open')
  held.delete(`${a.address} ${b.address}`)
  failed.undo()
  t.match(pairs.change([[a.address, b.address]]), { add: ways }, 'unless that came to nothing')
  grant(a, b)
  t.same(revoke(b, a), { add: [], remove: [] })
  t.same(revoke(a, b), { add: [], remove: [] })
  t.match(grant(b, a), { add: [], remove: [] }, 'nor where each once could')
  t.same(pairs.all(), [])

  held.clear()
  pairs.expel([b])
  t.same(pairs.change([[b.address, a.address]]), { add: [], remove: [] })
  pairs.admit(b)
  t.match(grant(b, a), { add: ways, remove: [] }, 'an address that somebody else has now')
  held.clear()
  pairs.expel([a])
  t.same(
    pairs.change([[b.address, a.address]]),
    { add: [], remove: ways },
    'what was switched goes with a lease',
  )
})

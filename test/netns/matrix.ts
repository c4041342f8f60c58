/**
 * Who reaches whom, as a table: the promise of the networks, whatever else is on the host. Run as it is by
 * isolation.test.ts, and wherever something may come in its way (a Docker engine, br_netfilter, firewalld).
 */
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import net from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import type t from 'tap'
import { createNetwork, type Network, type Sandbox } from '../../netns/index.ts'
import { createNamespace } from '../../netns/kernel/index.ts'
import { connectTcp } from '../../netns/sockets/sockets.ts'
import { type Attempt, serveEcho, tryTcp, tryUdp } from './peers.ts'
import { askArp, sendForged } from './spoof.ts'
import { inside, ownPlace, run } from './support.ts'

type Test = Pick<typeof t, 'teardown' | 'ok' | 'equal' | 'same'>

export interface MatrixOptions {
  /** False where a foreign firewall forbids the way out. @defaultValue true */
  egress?: boolean
  /** @defaultValue true */
  ipv6?: boolean
}

const port = 8080
/** A refusal takes the way there and back; the rest is for a machine with much else to do. */
const atOnce = 900
const refusals = ['ECONNREFUSED', 'EHOSTUNREACH', 'EACCES', 'ENETUNREACH']

const open = (t: Test, { result, took }: Attempt, what: string) =>
  t.equal(result, 'open', `${what}: open (${Math.round(took)} ms)`)

const refused = (t: Test, { result, took }: Attempt, what: string) =>
  t.ok(
    refusals.includes(result) && took < atOnce,
    `${what}: refused at once (${result}, ${Math.round(took)} ms)`,
  )

const addressesOf = ({ address, address6 }: Sandbox) => [
  address,
  ...(address6 === undefined ? [] : [address6]),
]

async function eachWay(
  expect: typeof open,
  t: Test,
  from: number,
  addresses: readonly string[],
  what: string,
): Promise<void> {
  for (const address of addresses) {
    expect(t, await tryTcp(from, address, port), `${what}, TCP to ${address}`)
    expect(t, await tryUdp(from, address, port), `${what}, UDP to ${address}`)
  }
}

/** A namespace beyond the host, with addresses of the outside and those where clouds keep their secrets. */
async function outside(t: Test) {
  const { fd } = createNamespace(() => undefined)
  const path = `/proc/${process.pid}/fd/${fd}`
  const number = process.pid % 60
  const addresses = {
    host: `198.51.100.${number * 4 + 1}`,
    there: `198.51.100.${number * 4 + 2}`,
    host6: `2001:db8:${number}::1`,
    there6: `2001:db8:${number}::2`,
    // The one that counts, and one beside it that no other test has: the control.
    metadata: ['169.254.169.254', `169.254.${number}.77`, 'fd00:ec2::254'],
  }
  const link = `mat${process.pid % 1000000}`
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
  t.teardown(() => {
    run('ip', 'link', 'del', link)
    closeSync(fd)
  })
  run('ip', 'addr', 'add', `${addresses.host}/30`, 'dev', link)
  run('ip', 'addr', 'add', `${addresses.host6}/64`, 'dev', link, 'nodad')
  run('ip', 'link', 'set', link, 'up')
  const there = (...args: string[]) => inside(path, 'ip', ...args)
  there('addr', 'add', `${addresses.there}/30`, 'dev', 'eth0')
  there('addr', 'add', `${addresses.there6}/64`, 'dev', 'eth0', 'nodad')
  for (const address of addresses.metadata) {
    const length = address.includes(':') ? 128 : 32
    there('addr', 'add', `${address}/${length}`, 'dev', 'eth0', ...(length === 128 ? ['nodad'] : []))
    // With a metric of its own, since another test may have the same route.
    run('ip', 'route', 'add', `${address}/${length}`, 'dev', link, 'metric', String(number + 1))
  }
  there('link', 'set', 'eth0', 'up')
  there('link', 'set', 'lo', 'up')
  await serveEcho(t, fd, port, true)
  return { fd, path, ...addresses }
}

/** Runs all of it, and leaves nothing. */
export async function isolationMatrix(
  t: Test,
  { egress = true, ipv6 = true }: MatrixOptions = {},
): Promise<void> {
  const make = async (name: string, isolation: 'network' | 'bindings') => {
    const network = await createNetwork({ ...ownPlace(t), name, isolation, ipv6, poolSize: 0 })
    t.teardown(() => network.destroy())
    return network
  }
  const world = await outside(t)
  const [bound, free] = [await make('bound', 'bindings'), await make('free', 'network')]
  const box = async (network: Network) => {
    const made = await network.createSandbox()
    await serveEcho(t, made.fd, port, ipv6)
    return made
  }
  const [service, client, stranger] = [await box(bound), await box(bound), await box(bound)]
  const [one, other] = [await box(free), await box(free)]

  // Inside a network.
  await eachWay(open, t, one.fd, addressesOf(other), 'within a network')
  await eachWay(open, t, other.fd, addressesOf(one), 'and the other way')
  await eachWay(refused, t, client.fd, addressesOf(service), 'not granted yet')
  await bound.grant(client, service)
  await eachWay(open, t, client.fd, addressesOf(service), 'bound')
  await eachWay(refused, t, service.fd, addressesOf(client), 'a service to its client')
  await eachWay(refused, t, stranger.fd, addressesOf(service), 'unbound')
  await eachWay(refused, t, client.fd, addressesOf(stranger), 'bound to another')
  await eachWay(open, t, service.fd, addressesOf(service), 'itself')
  for (const address of addressesOf(service)) {
    open(t, await tryTcp(client.fd, address, port, 3_000_000), `3 MB by TCP to ${address}`)
    open(t, await tryUdp(client.fd, address, port, 8000), `8,000 bytes by UDP to ${address}, in fragments`)
    open(t, await tryUdp(client.fd, address, port, bound.mtu - 60), `a full packet by UDP to ${address}`)
  }
  await revokedInTheMiddle(t, bound, client, service)

  // The gateway: DNS and nothing else.
  const gateways = [bound.gateway, ...(bound.gateway6 === undefined ? [] : [bound.gateway6])]
  for (const gateway of gateways) {
    for (const served of [53, port]) {
      const server = await bound.listenTcp(gateway, served)
      server.on('connection', (connection) => connection.on('error', () => {}).pipe(connection))
      t.teardown(() => server.close())
    }
    open(t, await tryTcp(stranger.fd, gateway, 53), `DNS at ${gateway}`)
    refused(t, await tryTcp(stranger.fd, gateway, port), `another port of ${gateway}`)
    refused(t, await tryUdp(stranger.fd, gateway, port), `another port of ${gateway} by UDP`)
  }
  await hostsAddresses(t, bound, stranger)
  await eachWay(refused, t, one.fd, addressesOf(service), 'another network, by way of the host')
  await eachWay(refused, t, service.fd, addressesOf(one), 'another network, by way of the host')
  const control = await tryTcp(world.fd, world.there, port)
  open(t, control, 'the outside itself')

  // The outside.
  const ways = [world.there, ...(ipv6 ? [world.there6] : [])]
  if (egress) await eachWay(open, t, one.fd, ways, 'the outside')
  for (const address of world.metadata.filter((each) => ipv6 || !each.includes(':'))) {
    await eachWay(refused, t, one.fd, [address], 'the metadata address')
  }
  inside(world.path, 'ip', 'route', 'add', free.subnet, 'via', world.host)
  refused(t, await tryTcp(world.fd, one.address, port), 'from the outside through the host')
  open(t, await tryTcp(homeNamespace(t), one.address, port), 'from the host itself')

  await spoofed(t, free, one, other)
}

/** A descriptor of the namespace of this process, for the functions that want one. */
function homeNamespace(t: Test): number {
  const fd = openSync('/proc/self/ns/net', 'r')
  t.teardown(() => closeSync(fd))
  return fd
}

async function revokedInTheMiddle(
  t: Test,
  network: Network,
  client: Sandbox,
  service: Sandbox,
): Promise<void> {
  const connection = await connectTcp(client.fd, service.address, port, { timeout: 2000 })
  connection.write('before')
  await once(connection, 'data')
  const heard: string[] = []
  connection.on('data', (data) => heard.push(String(data)))
  const ended = once(connection, 'close').catch((error) => [error.code])
  const push = await pushing(t, client, service)
  t.equal(await push(5_000), 'heard', 'what a service answers is heard')
  await network.revoke(client, service)
  const begin = performance.now()
  connection.write('after')
  await ended
  t.ok(performance.now() - begin < atOnce, 'an open connection is reset when its grant is revoked')
  t.same(heard, [], 'and nothing passed any more')
  t.equal(await push(300), 'silence', 'nor the other way')
  await eachWay(refused, t, client.fd, addressesOf(service), 'revoked')
  await network.grant(client, service)
  await eachWay(open, t, client.fd, addressesOf(service), 'granted again')
}

/** A service that goes on answering a client that has asked it once, by UDP. */
async function pushing(
  t: Test,
  client: Sandbox,
  service: Sandbox,
): Promise<(patience: number) => Promise<string>> {
  const [asker, answerer] = [client.bindUdp(0), service.bindUdp(port + 1)]
  t.teardown(() => {
    asker.close()
    answerer.close()
  })
  const asked = once(answerer, 'message')
  asker.send('hello', port + 1, service.address)
  const [, from] = await asked
  return async (patience) => {
    const heard = once(asker, 'message', { signal: AbortSignal.timeout(patience) })
    answerer.send('more', from.port, from.address)
    return heard.then(
      () => 'heard',
      () => 'silence',
    )
  }
}

/** Every address that the host has, those of its uplinks among them. */
async function hostsAddresses(t: Test, network: Network, from: Sandbox): Promise<void> {
  const server = net.createServer((connection) => connection.on('error', () => {}).pipe(connection))
  server.listen(0, '::')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port: listening } = server.address() as net.AddressInfo
  const home = homeNamespace(t)
  // Not os.networkInterfaces(): it fails when a link of somebody else's goes just then.
  const addresses = () =>
    [...run('ip', '-o', 'addr', 'show', 'scope', 'global', '-tentative').matchAll(/ inet6? ([^ /]+)/g)]
      .map(([, address]) => address as string)
      .filter((address) => network.subnet6 !== undefined || !address.includes(':'))
  let tried = 0
  for (const address of addresses()) {
    const itself = await tryTcp(home, address, listening)
    const box = await tryTcp(from.fd, address, listening)
    // Those of other tests go when they end.
    if (!addresses().includes(address)) continue
    tried += 1
    open(t, itself, `the host to itself at ${address}`)
    refused(t, box, `the host at ${address}`)
  }
  t.ok(tried >= 2, `the host has ${tried} addresses`)
}

/** Datagrams to the gateway's port 53, of which the honest ones arrive. */
async function spoofed(t: Test, network: Network, box: Sandbox, victim: Sandbox): Promise<void> {
  const heard: string[] = []
  const gateways = [network.gateway, ...(network.gateway6 === undefined ? [] : [network.gateway6])]
  for (const gateway of gateways) {
    const udp = network.bindUdp(gateway, 53)
    t.teardown(() => udp.close())
    udp.on('message', (message) => heard.push(String(message)))
  }
  const toMac = /ether (\S+)/.exec(inside(network.namespace, 'ip', 'link', 'show', 'br0'))?.[1] as string
  const send = (word: string, mac: string, source: string | undefined, to: string | undefined) => {
    if (source !== undefined && to !== undefined) sendForged(box.namespace, { mac, source, toMac, to, word })
  }
  const [unleased, unleased6] = [
    network.gateway.replace(/1$/, '250'),
    network.gateway6?.replace(/1$/, 'fafa'),
  ]
  send('other’s IPv4', box.mac, victim.address, network.gateway)
  send('nobody’s IPv4', box.mac, unleased, network.gateway)
  send('other’s MAC', victim.mac, box.address, network.gateway)
  send('other’s MAC and IPv4', victim.mac, victim.address, network.gateway)
  send('gateway’s IPv4', box.mac, network.gateway, network.gateway)
  send('other’s IPv6', box.mac, victim.address6, network.gateway6)
  send('nobody’s IPv6', box.mac, unleased6, network.gateway6)
  send('link-local IPv6', box.mac, network.gateway6 && 'fe80::1', network.gateway6)
  send('other’s MAC with IPv6', victim.mac, box.address6, network.gateway6)
  send('honest IPv4', box.mac, box.address, network.gateway)
  send('honest IPv6', box.mac, box.address6, network.gateway6)
  const honest = network.gateway6 === undefined ? ['honest IPv4'] : ['honest IPv4', 'honest IPv6']
  // Datagrams that were sent before the honest ones would have come before them.
  const end = performance.now() + 5000
  while (heard.length < honest.length && performance.now() < end) await turn()
  t.same([...heard].sort(), honest, 'of all that was sent with a forged source nothing arrives')

  const to = network.gateway
  t.equal(askArp(box.namespace, { mac: box.mac, source: box.address, to }, 5), 'answered', 'ARP, honestly')
  t.equal(askArp(box.namespace, { mac: box.mac, source: victim.address, to }), 'silence', 'ARP as another')
  t.equal(
    askArp(box.namespace, { mac: victim.mac, source: victim.address, to }),
    'silence',
    'ARP by another’s MAC',
  )
}

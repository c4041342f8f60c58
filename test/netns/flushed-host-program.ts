/**
 * Run by flushed-host.test.ts in a network namespace of its own, whose rules it flushes. Between a flush and the return
 * of our table there are some milliseconds; here they are as long as a test likes, since `nft` waits at a gate.
 */
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createNetwork, openNetwork } from '../../netns/index.ts'
import { createNamespace } from '../../netns/kernel/index.ts'
import { connectTcp } from '../../netns/sockets/sockets.ts'
import { removeTree } from '../remove-tree.ts'
import { serveEcho, tryTcp, tryUdp } from './peers.ts'
import { inside, ownPlace, run, until } from './support.ts'

t.setTimeout(110_000)

const tools = mkdtempSync(join(tmpdir(), 'netns-test-'))
t.teardown(() => removeTree(tools))
const [gate, nft] = [join(tools, 'shut'), run('which', 'nft').trim()]
const waiting = `while [ -e ${gate} ]; do sleep 0.01; done`
writeFileSync(join(tools, 'nft'), `#!/bin/sh\n${waiting}\nexec ${nft} "$@"\n`)
chmodSync(join(tools, 'nft'), 0o755)
process.env.PATH = `${tools}:${process.env.PATH}`

const place = ownPlace(t)
const table = `moorage_${place.instance}`
const tables = () => run(nft, 'list', 'tables')

/** Runs in a gap: the host has no rule at all. Afterwards our table is back. */
async function inGap(during: () => Promise<void>): Promise<void> {
  writeFileSync(gate, '')
  try {
    run(nft, 'flush', 'ruleset')
    t.equal(tables(), '', 'the host has no rules')
    await during()
    t.equal(tables(), '', 'nor had it any meanwhile')
  } finally {
    rmSync(gate)
  }
  await until('the table is back', () => tables().includes(table))
}

/** A link of the host's with a namespace behind it, which has a default route to the host. */
function neighbour(link: string, host: string, there: string, length = 24): { fd: number; path: string } {
  const { fd } = createNamespace(() => undefined)
  const path = `/proc/${process.pid}/fd/${fd}`
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
  run('ip', 'addr', 'add', `${host}/${length}`, 'broadcast', '+', 'dev', link)
  run('ip', 'link', 'set', link, 'up')
  inside(path, 'ip', 'addr', 'add', `${there}/${length}`, 'dev', 'eth0')
  inside(path, 'ip', 'link', 'set', 'eth0', 'up')
  inside(path, 'ip', 'route', 'add', 'default', 'via', host)
  t.teardown(() => closeSync(fd))
  return { fd, path }
}

const own = '198.51.100.1'
const world = neighbour('world0', own, '198.51.100.2')
for (const text of ['2001:db8:1::1/64 dev world0', '2001:db8:2::1/128 dev lo']) {
  run('ip', 'addr', 'add', ...text.split(' '), 'nodad')
}
// With a way out by IPv6 the host forwards it.
run('ip', '-6', 'route', 'add', 'default', 'via', '2001:db8:1::2')
inside(world.path, 'ip', 'addr', 'add', '169.254.169.254/32', 'dev', 'eth0')
run('ip', 'route', 'add', '169.254.169.254/32', 'dev', 'world0')
await serveEcho(t, world.fd, 80)
// The host's own daemon, at all addresses.
const hostNamespace = openSync('/proc/self/ns/net', 'r')
t.teardown(() => closeSync(hostNamespace))
await serveEcho(t, hostNamespace, 80, true)

const options = { poolSize: 0, ipv6: true, ...place }
const [a, b] = [
  await createNetwork({ name: 'a', ...options }),
  await createNetwork({ name: 'b', ...options, isolation: 'bindings' }),
]
t.teardown(() => Promise.all([a.destroy(), b.destroy()]))
const [service, client] = [await a.createSandbox(), await b.createSandbox()]
await serveEcho(t, service.fd, 80, true)
const dns = a.bindUdp(a.gateway, 53)
dns.on('message', (message, from) => dns.send(message, from.port, from.address))
t.teardown(() => dns.close())
run('ip', 'addr', 'add', '203.0.113.7/32', 'dev', 'lo')
run('ip', 'route', 'add', 'local', '203.0.113.128/25', 'dev', 'lo')

const uplinkOf = (network: typeof a) =>
  /via (\S+)/.exec(inside(network.namespace, 'ip', 'route', 'show', 'default'))?.[1] as string

type Test = Pick<typeof import('tap').default, 'match' | 'not'>

/** What B may never reach: with the table, and without it. */
const forbidden = (): [what: string, address: string, port: number][] => [
  ['a service of another network', service.address, 80],
  ['a service of another network, by IPv6', service.address6 as string, 80],
  ['the DNS of another network', a.gateway, 53],
  ['an address of the host', own, 80],
  ['an address that the host got later', '203.0.113.7', 80],
  ['a subnet that the host takes for its own', '203.0.113.200', 80],
  ['the broadcast address of a subnet of the host', '198.51.100.255', 80],
  ['the host by IPv6', '2001:db8:1::1', 80],
  ['another IPv6 address of the host', '2001:db8:2::1', 80],
  ['the host’s end of its own uplink', uplinkOf(b), 80],
  ['the host’s end of another uplink', uplinkOf(a), 80],
  ['the metadata address', '169.254.169.254', 80],
]

async function isForbidden(t: Test, when: string) {
  for (const [what, address, port] of forbidden()) {
    const [tcp, udp] = await Promise.all([tryTcp(client.fd, address, port), tryUdp(client.fd, address, port)])
    // Nobody may connect to a broadcast address at all.
    t.match(tcp.result, /^(ECONNREFUSED|EACCES|ENETUNREACH)$/, `${what}, TCP, ${when}`)
    t.not(udp.result, 'open', `${what}, UDP, ${when}`)
  }
  for (const attempt of [tryTcp, tryUdp]) {
    t.not((await attempt(world.fd, service.address, 80)).result, 'open', `a neighbour of the host, ${when}`)
  }
}

/** Sends a byte and awaits it back. */
async function echoes(connection: net.Socket): Promise<boolean> {
  if (connection.destroyed) return false
  const answered = Promise.race([
    once(connection, 'data').then(() => true),
    once(connection, 'close').then(() => false),
  ])
  connection.write('x')
  return answered.catch(() => false)
}

const held = (connection: net.Socket) => {
  t.teardown(() => connection.destroy())
  return connection.on('error', () => {})
}

t.test('no way opens while the host’s rules are flushed, and none stays open (N09)', async (t) => {
  await until('the network knows the later addresses', () =>
    inside(b.namespace, nft, 'list', 'set', 'inet', 'moorage', 'host').includes('203.0.113.128/25'),
  )
  await isForbidden(t, 'with the table')
  const fromHost = held(net.connect(80, service.address))
  const outward = held(await connectTcp(client.fd, '198.51.100.2', 80, { timeout: 2000 }))
  t.ok(await echoes(fromHost))
  t.ok(await echoes(outward))
  for (let times = 1; times <= 2; times++) {
    await inGap(async () => {
      await isForbidden(t, 'without the table')
      t.equal((await tryTcp(hostNamespace, service.address, 80)).result, 'open', 'the host itself may')
    })
    await isForbidden(t, 'with the table again')
    t.ok(await echoes(fromHost), 'what the host had opened goes on')
    t.ok(await echoes(outward), 'and so does what a sandbox had opened to the outside')
    t.equal((await tryTcp(client.fd, '198.51.100.2', 80)).result, 'open', 'a new one opens')
  }
})

t.test('what opened in the gap all the same is of no use with the table (N09)', async (t) => {
  // A namespace without rules of its own, behind a link that bears an uplink's name.
  const bare = neighbour(`moor${place.instance}uzz`, '192.0.2.1', '192.0.2.2', 30)
  inside(bare.path, 'ip', 'link', 'set', 'lo', 'up')
  t.equal((await tryTcp(bare.fd, own, 80)).result, 'ECONNREFUSED')
  const opened: net.Socket[] = []
  await inGap(async () => {
    for (const address of [own, '198.51.100.2']) {
      opened.push(held(await connectTcp(bare.fd, address, 80, { timeout: 2000 })))
    }
    for (const connection of opened) t.ok(await echoes(connection), 'in the gap')
  })
  t.notOk(await echoes(opened[0] as net.Socket), 'to the host')
  t.equal((await tryTcp(bare.fd, '198.51.100.2', 80)).result, 'open', 'the outside is still there')
})

t.test('a network that is opened again refuses the same (N09)', async (t) => {
  await b.giveUp()
  const again = await openNetwork({ name: 'b', runDirectory: place.runDirectory, poolSize: 0 })
  t.teardown(() => again.destroy())
  const box = await again.createSandbox()
  await inGap(async () => {
    for (const [what, address, port] of forbidden().filter(([, address]) => address !== uplinkOf(b))) {
      t.not((await tryTcp(box.fd, address, port)).result, 'open', what)
    }
    t.equal((await tryTcp(hostNamespace, box.address, 80)).result, 'ECONNREFUSED', 'the host is let in')
  })
})

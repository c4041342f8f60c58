/** Namespaces that somebody else made, by `unshare` and `ip netns`: taken in, and given back as they were. */
import { execFile as executeFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import { setImmediate as turn } from 'node:timers/promises'
import { promisify } from 'node:util'
import t from 'tap'
import { createNetwork } from '../../netns/index.ts'
import {
  foreigner,
  giveLink,
  inside,
  openFiles,
  ownNetwork,
  ownPlace,
  remains,
  run,
  until,
} from './support.ts'

t.setTimeout(120_000)

const execFile = promisify(executeFile)

/** Returns the links, addresses and routes of a namespace, as iproute2 prints them. */
const setup = (path: string) =>
  ['link', '-4 addr', 'route'].map((what) => inside(path, 'ip', '-o', ...what.split(' '))).join('')

/** Connects from a process in a namespace, which is none of ours; returns what it hears from the server. */
async function dialFrom(path: string, address: string, port: number): Promise<string> {
  const script = `
import socket, sys
s = socket.socket(); s.settimeout(5)
try:
    s.connect((sys.argv[1], int(sys.argv[2]))); print(s.recv(99).decode())
except OSError as e: print(type(e).__name__)`
  const args = [`--net=${path}`, '/usr/bin/python3', '-c', script, address, String(port)]
  return (await execFile('nsenter', args)).stdout.trim()
}

t.test('a process that was started by hand is in the network, and reaches it', async (t) => {
  const network = await ownNetwork(t)
  const other = await network.createSandbox()
  const server = await other.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', (client) => client.end(String(client.remoteAddress)))

  const process = await foreigner(t)
  const box = await network.adopt({ pid: process.pid })
  t.equal(box.namespace, process.path)
  t.match(inside(process.path, 'ip', '-o', 'addr'), new RegExp(`eth0 +inet ${box.address}/16`))
  t.match(inside(process.path, 'ip', 'route'), `default via ${network.gateway} dev eth0`)
  t.match(inside(process.path, 'ip', 'link', 'show', 'eth0'), box.mac)
  t.equal(await dialFrom(process.path, other.address, 80), box.address, 'from the very first packet')
  t.equal(await dialFrom(process.path, network.gateway, 80), 'ConnectionRefusedError', 'under the same rules')
  t.equal(network.sandboxes, 2)

  const own = await box.listenTcp(81)
  own.on('connection', (client) => client.end('adopted'))
  t.equal(await text(await network.connectTcp(box.address, 81)), 'adopted')
  own.close()
  const child = box.spawn('ip', ['-o', 'addr'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.match(await text(child.stdout as NonNullable<typeof child.stdout>), box.address)
})

t.test('a source that is not its own is dropped, as of any sandbox', async (t) => {
  const network = await ownNetwork(t)
  const process = await foreigner(t)
  const box = await network.adopt({ pid: process.pid })
  const udp = network.bindUdp(network.gateway, 53)
  t.teardown(() => udp.close())
  const heard: string[] = []
  udp.on('message', (message, { address }) => heard.push(`${message} ${address}`))
  inside(process.path, 'ip', 'addr', 'add', '10.99.99.99/32', 'dev', 'eth0')
  const say = (word: string, source: string) =>
    inside(
      process.path,
      '/usr/bin/python3',
      '-c',
      `
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[2], 0)); s.sendto(sys.argv[1].encode(), (sys.argv[3], 53))`,
      word,
      source,
      network.gateway,
    )
  say('forged', '10.99.99.99')
  say('honest', box.address)
  await once(udp, 'message')
  t.same(heard, [`honest ${box.address}`])
})

t.test('what a namespace has stays as it was, before and after', async (t) => {
  const network = await ownNetwork(t)
  const process = await foreigner(t)
  giveLink(process.path)
  const before = setup(process.path)
  t.match(before, 'eth0')
  t.match(before, 'default via 192.0.2.1 dev eth0')

  const box = await network.adopt({ path: process.path })
  const during = inside(process.path, 'ip', '-o', 'addr')
  t.match(during, new RegExp(`eth1 +inet ${box.address}/16`), 'the next name that is free')
  const routes = inside(process.path, 'ip', 'route')
  t.match(routes, 'default via 192.0.2.1 dev eth0', 'its way out stays')
  t.match(routes, `${network.subnet} via ${network.gateway} dev eth1`, 'the network is reached besides')
  const other = await network.createSandbox()
  const server = await other.listenTcp(80)
  t.teardown(() => server.close())
  server.on('connection', (client) => client.end('hello'))
  t.equal(await dialFrom(process.path, other.address, 80), 'hello')

  await box.destroy()
  await box.ended
  t.equal(setup(process.path), before)
  t.equal(network.sandboxes, 1)
  t.throws(() => box.spawn('true'), { code: 'NETWORK_GONE' })
})

t.test('it is taken back when the last process of its namespace ends', async (t) => {
  const network = await ownNetwork(t)
  const process = await foreigner(t)
  const box = await network.adopt({ pid: process.pid })
  const forward = await box.forward({ port: 80, to: { port: 1 } })
  t.match(inside(network.namespace, 'ip', 'route'), box.address)
  // The forward's listener is a socket in that namespace, so it holds it: as a second process would.
  await forward.close()
  await process.end()
  await box.ended
  t.notMatch(inside(network.namespace, 'ip', 'route'), box.address)
  t.notMatch(inside(network.namespace, 'nft', 'list', 'ruleset'), box.address)
  t.equal(network.sandboxes, 0)
  await t.rejects(network.connectTcp(network.gateway, 1), { code: 'ECONNREFUSED' }, 'the network goes on')
})

t.test('while another process is in the namespace it stays, and the next network of it too', async (t) => {
  const network = await ownNetwork(t)
  const process = await foreigner(t)
  const box = await network.adopt({ pid: process.pid })
  const second = spawn('nsenter', [`--net=${process.path}`, 'cat'], { stdio: ['pipe', 'ignore', 'inherit'] })
  const secondPath = `/proc/${second.pid}/ns/net`
  await until(
    'it is there',
    () => existsSync(secondPath) && inside(secondPath, 'ip', 'addr').includes(box.address),
  )
  await process.end()
  t.match(inside(secondPath, 'ip', '-o', 'addr'), box.address)
  const gone = once(second, 'exit')
  second.kill('SIGKILL')
  await gone
  await box.ended
  t.equal(network.sandboxes, 0)
})

t.test('a namespace with a name but no process is served, until its name goes', async (t) => {
  const network = await ownNetwork(t)
  const name = `adopt-${process.pid}`
  run('ip', 'netns', 'add', name)
  const path = `/run/netns/${name}`
  let there = true
  t.teardown(() => there && run('ip', 'netns', 'del', name))
  const box = await network.adopt({ path })
  t.match(inside(path, 'ip', '-o', 'addr'), box.address)
  run('ip', 'netns', 'del', name)
  there = false
  await box.ended
  t.equal(network.sandboxes, 0)
})

t.test('what cannot be adopted is told, and leaves nothing', async (t) => {
  const network = await ownNetwork(t)
  const before = openFiles()
  const child = spawn('true')
  await once(child, 'exit')
  await t.rejects(network.adopt({ pid: child.pid as number }), {
    code: 'BAD_NAMESPACE',
    message: `the process ${child.pid} does not exist`,
  })
  await t.rejects(network.adopt({ path: '/etc/passwd' }), {
    code: 'BAD_NAMESPACE',
    message: '/etc/passwd is not a namespace',
  })
  await t.rejects(network.adopt({ path: '/proc/self/ns/uts' }), {
    code: 'BAD_NAMESPACE',
    message: '/proc/self/ns/uts is not a network namespace',
  })
  await t.rejects(network.adopt({ pid: process.pid }), {
    code: 'BAD_NAMESPACE',
    message: `the process ${process.pid} is in the network namespace of this process itself`,
  })
  t.equal(openFiles(), before)
  t.equal(network.sandboxes, 0)
  t.notMatch(inside(network.namespace, 'ip', '-o', 'link'), /\bs\d+/)
})

t.test('one that ends while it is adopted leaves nothing', async (t) => {
  const network = await ownNetwork(t)
  for (let tries = 0; tries < 10; tries++) {
    const process = await foreigner(t)
    const [adopted] = await Promise.allSettled([network.adopt({ pid: process.pid }), process.end()])
    if (adopted.status === 'fulfilled') await adopted.value.ended
    else t.match(adopted.reason, { name: 'NetnsError' })
  }
  await until('no link is left', () => !/\bs\d+/.test(inside(network.namespace, 'ip', '-o', 'link')))
  t.notMatch(inside(network.namespace, 'nft', 'list', 'map', 'bridge', 'moorage', 'leases'), /"s\d+"/)
  t.equal(network.sandboxes, 0)
})

t.test('with its network it loses its link, and nothing more', async (t) => {
  const place = ownPlace(t)
  const network = await createNetwork({ name: 'test', poolSize: 0, ...place })
  const process = await foreigner(t)
  const box = await network.adopt({ pid: process.pid })
  t.match(inside(process.path, 'ip', '-o', 'link'), 'eth0')
  await network.destroy()
  await box.ended
  t.same(remains(place), [])
  t.notMatch(inside(process.path, 'ip', '-o', 'link'), 'eth0')
})

t.test(
  'a network that goes while many adopted sandboxes are removed closes no descriptor of others',
  async (t) => {
    const network = await ownNetwork(t)
    const boxes = []
    for (let count = 0; count < 10; count += 1) {
      const { pid } = await foreigner(t)
      boxes.push(await network.adopt({ pid }))
    }
    // The numbers that the namespaces were adopted by are free again: these files get them.
    const files = Array.from({ length: 40 }, () => openSync('/dev/null', 'r'))
    t.teardown(() => {
      for (const file of files) closeSync(file)
    })
    const removals = boxes.map((box) => box.destroy())
    // All of them are asked for before the network is: else they would go with it.
    await turn()
    await Promise.allSettled([...removals, network.destroy()])
    for (const file of files) t.ok(isOpen(file), `${file} is still open`)
  },
)

function isOpen(file: number): boolean {
  try {
    fstatSync(file)
    return true
  } catch {
    return false
  }
}

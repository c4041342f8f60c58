/** IPv6 beside IPv4, when it is asked for. (Who reaches whom by it: isolation.test.ts.) */
import { closeSync } from 'node:fs'
import net from 'node:net'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork } from '../../netns/index.ts'
import { createNamespace } from '../../netns/kernel/index.ts'
import { connectTcp, listenTcp } from '../../netns/sockets/sockets.ts'
import { onOwnHost } from './own-host.ts'
import { serveEcho, tryTcp } from './peers.ts'
import { inside, ownNetwork, ownPlace, remains, run } from './support.ts'

t.test('a network with IPv6', async (t) => {
  const network = await ownNetwork(t, { ipv6: true })
  const box = await network.createSandbox()
  t.match(network.subnet6, /^fd.*::\/64$/)
  t.equal(network.gateway6, network.subnet6?.replace('/64', '1'))
  t.match(box.address6, /^fd.*::2$/)
  const addresses = inside(box.namespace, 'ip', '-6', '-o', 'addr')
  t.match(addresses, `inet6 ${box.address6}/64 scope global nodad noprefixroute`)
  t.notMatch(addresses, /fe80|tentative/)
  t.match(inside(box.namespace, 'ip', '-6', 'route'), new RegExp(`default via ${network.gateway6} dev eth0`))
  t.match(
    run('ip', '-6', 'route'),
    new RegExp(`${network.subnet6?.replace('/', '\\/')} via fd6d`),
    'the host’s route',
  )

  t.test('is reached by the host, from the uplink', async (t) => {
    const server = await listenTcp(box.fd, '::', 80)
    t.teardown(() => server.close())
    server.on('connection', (client) => client.end(String(client.remoteAddress)))
    t.match(await text(net.connect(80, box.address6 as string)), /^fd6d:6f6f:7261:/)
    t.equal(await text(await network.connectTcp(box.address6 as string, 80)), network.gateway6)
  })

  t.test('and reaches the outside from the host’s address', async (t) => {
    const { fd } = createNamespace(() => undefined)
    const [link, prefix] = [`sx${process.pid % 1000000}`, `2001:db8:${(process.pid % 60) + 100}`]
    run(
      'ip',
      'link',
      'add',
      link,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      `/proc/${process.pid}/fd/${fd}`,
    )
    t.teardown(() => {
      run('ip', 'link', 'del', link)
      closeSync(fd)
    })
    run('ip', 'addr', 'add', `${prefix}::1/64`, 'dev', link, 'nodad')
    run('ip', 'link', 'set', link, 'up')
    const there = (...args: string[]) => inside(`/proc/${process.pid}/fd/${fd}`, 'ip', ...args)
    there('addr', 'add', `${prefix}::2/64`, 'dev', 'eth0', 'nodad')
    there('link', 'set', 'eth0', 'up')
    const server = await listenTcp(fd, '::', 80)
    t.teardown(() => server.close())
    server.on('connection', (client) => client.end(String(client.remoteAddress)))
    t.equal(await text(await connectTcp(box.fd, `${prefix}::2`, 80, { timeout: 3000 })), `${prefix}::1`)
  })

  t.test('an adopted namespace has it too', async (t) => {
    const { fd } = createNamespace(() => undefined)
    t.teardown(() => closeSync(fd))
    const adopted = await network.adopt({ path: `/proc/${process.pid}/fd/${fd}` })
    await serveEcho(t, fd, 81, true)
    t.equal((await tryTcp(box.fd, adopted.address6 as string, 81)).result, 'open')
    await adopted.destroy()
  })
})

t.test('a host that forwards keeps its way out', (t) => onOwnHost(t, 'ipv6-host-program.ts'))

t.test('a prefix that is given is used, unless the host uses it', async (t) => {
  const network = await ownNetwork(t, { ipv6: 'fd00:5:5::/56' })
  t.equal(network.subnet6, 'fd00:5:5::/56')
  t.equal((await network.createSandbox()).address6, 'fd00:5:5::2')
  const link = `sy${process.pid % 1000000}`
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', `${link}b`)
  t.teardown(() => run('ip', 'link', 'del', link))
  run('ip', 'link', 'set', link, 'up')
  run('ip', '-6', 'route', 'add', 'fd00:6::/32', 'dev', link)
  const place = ownPlace(t)
  await t.rejects(createNetwork({ ...place, name: 'test', ipv6: 'fd00:6:1::/64' }), {
    code: 'SUBNET_IN_USE',
    message: /fd00:6:1::\/64 is in use on this host: it meets the route fd00:6::\/32/,
  })
  await t.rejects(createNetwork({ ...place, name: 'test', ipv6: 'fd00:6:1::1/64' }), { code: 'BAD_CIDR' })
  t.same(remains(place), [])
})

t.test('without it there is none but ::1', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  t.equal(network.subnet6, undefined)
  t.equal(box.address6, undefined)
  const lines = (namespace: string) => inside(namespace, 'ip', '-6', '-o', 'addr').trim().split('\n')
  t.equal(lines(box.namespace).length, 1)
  t.match(lines(box.namespace)[0], '::1/128')
  t.notMatch(inside(network.namespace, 'ip', '-6', 'addr'), /fe80|global/)
})

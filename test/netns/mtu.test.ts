/** The size of packets: as on the host's way out, and no larger than the way that they then take. */
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import t from 'tap'
import { createNamespace } from '../../netns/kernel/index.ts'
import { connectTcp, listenTcp } from '../../netns/sockets/sockets.ts'
import { inside, ownNetwork, run, until } from './support.ts'

t.test('on a narrower way both ends are told of it when they connect (MSS)', async (t) => {
  const { fd } = createNamespace(() => undefined)
  const path = `/proc/${process.pid}/fd/${fd}`
  const [link, number] = [`mss${process.pid % 1000000}`, process.pid % 60]
  const [host, there] = [`203.0.113.${number * 4 + 1}`, `203.0.113.${number * 4 + 2}`]
  run('ip', 'link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', path)
  t.teardown(() => {
    run('ip', 'link', 'del', link)
    closeSync(fd)
  })
  run('ip', 'addr', 'add', `${host}/30`, 'dev', link)
  run('ip', 'link', 'set', link, 'up')
  inside(path, 'ip', 'addr', 'add', `${there}/30`, 'dev', 'eth0')
  inside(path, 'ip', 'link', 'set', 'eth0', 'up')
  const server = await listenTcp(fd, there, 80)
  t.teardown(() => server.close())
  server.on('connection', (client) => client.on('error', () => {}).pipe(client))
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  // The most that each end of a connection sends in one packet, and what it announced to the other.
  const sizes = async () => {
    const connection = await connectTcp(box.fd, there, 80, { timeout: 2000 })
    connection.write('hello')
    await once(connection, 'data')
    const far = inside(path, 'ss', '-tinH', 'state', 'established')
    const near = inside(box.namespace, 'ss', '-tinH', 'state', 'established')
    connection.destroy()
    await until('it has gone', () => inside(path, 'ss', '-tnH', 'state', 'established') === '')
    return [near, far].map((words) => Number(/ mss:(\d+)/.exec(words)?.[1]))
  }
  const wide = await sizes()
  t.ok(
    wide.every((size) => size > 1000),
    `on a wide way ${wide}`,
  )
  run('ip', 'link', 'set', link, 'mtu', '900')
  // 20 bytes of IP, 20 of TCP, 12 of its time stamps.
  t.same(await sizes(), [848, 848], 'on a narrow one')
})

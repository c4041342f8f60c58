import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { leftOf, ownDirectories, startDaemon } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('MOORAGE_SERVICES_DNS=0: the host’s network, and nothing that needs another', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  process.env.MOORAGE_SERVICES_DNS = '0'
  await using daemon = await startDaemon(directories, '--grace', '0')
  delete process.env.MOORAGE_SERVICES_DNS
  await using moorage = await daemon.connect()
  const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path)).withStopSignal('SIGKILL')

  const server = createServer((_request, response) => response.end('from the host\n')).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  t.equal(
    await box.withExec(['wget', '-q', '-O', '-', `http://127.0.0.1:${port}`]).stdout(),
    'from the host\n',
    'a container is in the host’s network',
  )

  const service = box.withExec(['sh', '-c', 'sleep 1000'])
  const bound = box.withServiceBinding('db', service).withExec(['true'])
  await t.rejects(bound.sync(), { code: 'SERVICES_DNS_OFF' }, 'a binding is a clear error')
  await t.rejects(box.withExec(['true']).withServiceBinding('db', bound).withExec(['true']).sync(), {
    code: 'SERVICES_DNS_OFF',
  })

  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port: served } = free.address() as AddressInfo
  free.close()
  await once(free, 'close')
  {
    const web = box
      .withExposedPort(served)
      .withExec(['httpd', '-f', '-p', `127.0.0.1:${served}`, '-h', '/www'])
      .asService()
    await using running = await web.start()
    const answer = await fetch(`http://${await running.endpoint({ from: 'host' })}/index.html`)
    t.equal(await answer.text(), 'hello\n', 'a service can be started and reached, at the host’s own address')
  }

  const status = await daemon.cli('status')
  t.equal(status.code, 1, 'status says that something is wrong')
  t.match(status.stdout, /MOORAGE_SERVICES_DNS=0/)
  t.strictSame((await moorage.status()).networks, [])
  const { instance } = await moorage.status()
  t.strictSame(
    (await leftOf(instance)).filter((line) => !line.includes('cgroup')),
    [],
    'no link, table or mount was made',
  )
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import type { Container } from '../../src/index.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'

t.setTimeout(120_000)

t.test('a URL is fetched from within the network, as a container would', async (t) => {
  using root = busyboxRoot()
  using own = ownDirectories()
  await using daemon = await startDaemon(own, '--grace', '0')
  await using moorage = await daemon.connect()

  let asked = 0
  const host = createServer((_request, response) => {
    asked += 1
    response.end('of the host')
  })
  host.listen(0, '127.0.0.1')
  await once(host, 'listening')
  t.teardown(() => host.close())
  const { port } = host.address() as AddressInfo

  const base = moorage.container().withRootfs(moorage.host.directory(root.path))
  const answer =
    (name: string, ...lines: string[]) =>
    (container: Container) =>
      container.withNewFile(
        `/www/cgi-bin/${name}`,
        ['#!/bin/sh', ...lines.map((line) => `printf '${line}\\r\\n'`)].join('\n'),
        { permissions: 0o755 },
      )
  const redirect = (name: string, location: string) =>
    answer(name, 'HTTP/1.0 302 Found', `Location: ${location}`, 'Connection: close', '')
  const pages = [
    redirect('relative', '/f'),
    redirect('absolute', 'http://svc/f'),
    redirect('twice', '/cgi-bin/relative'),
    redirect('loop', '/cgi-bin/loop'),
    redirect('loopback', `http://127.0.0.1:${port}/`),
    redirect('loopback6', `http://[::1]:${port}/`),
    redirect('mapped', `http://[::ffff:127.0.0.1]:${port}/`),
    redirect('decimal', `http://2130706433:${port}/`),
    redirect('file', 'file:///etc/shadow'),
    redirect('other', 'http://nobody-has-this-name.moorage.internal/'),
    answer('nothing', 'HTTP/1.0 404 Not Found', 'Connection: close', ''),
    answer('cut', 'HTTP/1.0 200 OK', 'Content-Length: 1000', 'Connection: close', '', 'not that much'),
    answer('huge', 'HTTP/1.0 200 OK', 'Content-Length: 5000000000', 'Connection: close', '', 'x'),
    answer('garbage', 'HTTP/9.9 what', 'ever'),
  ]
  const web = pages
    .reduce<Container>((container, page) => page(container), base)
    .withNewFile('/www/f', 'an answer\n')
    .withExposedPort(80)
    .withExec(['httpd', '-f', '-p', '80', '-h', '/www'])
    .asService({ stopTimeout: 50 })
  const get = (path: string) => moorage.http(`http://svc${path}`, { services: { svc: web }, noCache: true })

  // Held, so that each page is one request and not one start.
  await using _running = await web.start()

  t.equal(await get('/f').contents(), 'an answer\n')
  t.equal(await get('/f').size(), 'an answer\n'.length)
  for (const page of ['relative', 'absolute', 'twice']) {
    t.equal(await get(`/cgi-bin/${page}`).contents(), 'an answer\n', `${page} redirect`)
  }
  const byName = moorage.http(`http://${await web.hostname()}/f`, { noCache: true })
  t.equal(await byName.contents(), 'an answer\n', 'by its own name, without being bound')

  const refused: [string, RegExp][] = [
    ['/none', /404/],
    ['/cgi-bin/nothing', /404/],
    ['/cgi-bin/loop', /more than 10 redirects/],
    ['/cgi-bin/loopback', /no address of the network/],
    ['/cgi-bin/loopback6', /no address of the network/],
    ['/cgi-bin/mapped', /no address of the network/],
    ['/cgi-bin/decimal', /no address of the network/],
    ['/cgi-bin/file', /does not begin with http/],
    ['/cgi-bin/other', /has no address/],
    ['/cgi-bin/cut', /broke|aborted/],
    ['/cgi-bin/huge', /5000000000 bytes/],
    ['/cgi-bin/garbage', /.+/],
  ]
  for (const [path, message] of refused) {
    await t.rejects(get(path).contents(), { code: 'HTTP_FAILED', message }, path)
  }
  for (const url of [`http://127.0.0.1:${port}/`, `http://localhost:${port}/`, `http://0.0.0.0:${port}/`]) {
    await t.rejects(moorage.http(url).contents(), { code: 'HTTP_FAILED' }, url)
  }
  await t.rejects(
    moorage.http('http://svc/f').contents(),
    { code: 'HTTP_FAILED' },
    'an alias is of one client',
  )
  await t.rejects(
    moorage.http('http://svc:81/f', { services: { svc: web } }).contents(),
    { code: 'HTTP_FAILED', message: /nobody listens there/ },
    'a port where nobody listens',
  )
  t.equal(asked, 0, 'nothing of the host’s was asked')

  const events: string[] = []
  await get('/f').sync({
    onEvent: (event) => event.type === 'progress' && events.push(`${event.kind} ${event.state}`),
  })
  t.same(
    events.filter((event) => event.startsWith('http')),
    ['http running', 'http done'],
  )
  const stored = moorage.http('http://svc/f?stored', { services: { svc: web } })
  const copied = base.withFile('/etc/f', stored).withExec(['sh', '-c', 'cat /etc/f; stat -c %a /etc/f'])
  t.equal(await copied.stdout(), 'an answer\n644\n')
})

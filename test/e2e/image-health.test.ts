import { execFileSync } from 'node:child_process'
import t from 'tap'
import type { HealthError } from '../../src/index.ts'
import { layerOfTar } from '../images/layers.ts'
import { ownRegistry } from '../images/own-registry.ts'
import { ownDirectories, startDaemon } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('an image’s HEALTHCHECK is honoured, its EXPOSE is not waited for', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using registry = await ownRegistry()
  const layer = layerOfTar(
    execFileSync('tar', ['-c', '-C', rootfs.path, '.'], { maxBuffer: 2 ** 28 }),
    'docker',
  )
  const push = (tag: string, healthcheck: object) =>
    registry.push('box', tag, {
      layers: [layer],
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      configMediaType: 'application/vnd.docker.container.image.v1+json',
      config: {
        Cmd: ['sh', '-c', 'sleep 0.5; touch /tmp/ready; exec sleep 1000'],
        ExposedPorts: { '80/tcp': {} },
        StopSignal: 'SIGKILL',
        Healthcheck: healthcheck,
      },
    })
  // Docker's durations are nanoseconds.
  await push('good', { Test: ['CMD-SHELL', 'test -e /tmp/ready'] })
  await push('bad', { Test: ['CMD', 'sh', '-c', 'echo never; exit 3'], Interval: 3e8, Retries: 2 })
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const image = (tag: string) => moorage.container().from(`${registry.address}/box:${tag}`)

  {
    await using running = await image('good').asService().start()
    const seen = await running.exec(['test', '-e', '/tmp/ready'])
    t.equal(seen.exitCode, 0, 'it was waited for')
    t.strictSame(await running.ports(), [{ port: 80, protocol: 'tcp', check: 'none' }])
    const [row] = (await moorage.status()).services
    t.match(row, { health: 'healthy', ports: ['80/tcp'] })
  }
  const error = await image('bad')
    .asService({ startTimeout: '60s' })
    .start()
    .then(
      () => undefined,
      (thrown) => thrown as HealthError,
    )
  t.match(error, { code: 'HEALTH_FAILED', message: /exec sh -c .*: exit code 3: never/ })
  // STOPSIGNAL, in the same registry: a program that says what reached it.
  const traps = [10, 15, 37, 63].map((number) => `trap "echo got ${number}; exit 0" ${number}`).join('; ')
  const loop = `${traps}; echo ready; while :; do sleep 0.02; done`
  const stops: [signal: string, tag: string, number: number][] = [
    ['RTMIN+3', 'rtmin', 37],
    ['SIGRTMAX-1', 'rtmax', 63],
    ['NOPE', 'nope', 15],
  ]
  for (const [StopSignal, tag, number] of stops) {
    await registry.push('box', tag, {
      layers: [layer],
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      configMediaType: 'application/vnd.docker.container.image.v1+json',
      config: { Cmd: ['sh', '-c', loop], StopSignal },
    })
    const service = await image(tag).withHealthcheck({ log: 'ready' }).asService().start()
    await service.stop()
    let text = ''
    for await (const entry of service.logs()) if ('data' in entry) text += entry.data
    t.match(text, `got ${number}`, `${StopSignal} of an image (L10)`)
  }
  t.match(
    daemon.log(),
    /stopped by \\?"NOPE\\?".*SIGTERM is sent instead/,
    'what no kernel knows is told (L10b)',
  )
  await using _anyway = await image('bad').withHealthcheck('none').asService().start()
  t.pass('none: it is not asked')
})

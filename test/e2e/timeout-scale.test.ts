import t from 'tap'
import { ownDirectories, startDaemon } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test(
  'MOORAGE_TIMEOUT_SCALE stretches the drain: at 0.1 what is left is killed after 3 s, not 30',
  async (t) => {
    using directories = ownDirectories()
    using rootfs = ownRootfs()
    process.env.MOORAGE_TIMEOUT_SCALE = '0.1'
    await using daemon = await startDaemon(directories)
    delete process.env.MOORAGE_TIMEOUT_SCALE
    await using moorage = await daemon.connect()
    const service = moorage
      .container()
      .withRootfs(moorage.host.directory(rootfs.path))
      .withExec(['sh', '-c', 'trap "" TERM; while true; do sleep 1; done'])
      .asService({ startTimeout: '60s', stopTimeout: '60s' })
    await service.start()
    const before = performance.now()
    t.equal(await daemon.stop(), 0)
    const took = performance.now() - before
    t.ok(took > 2_900, `it had ${took} ms`)
    t.ok(took < 15_000, `it took ${took} ms`)
  },
)

t.test('it stretches the time that a command has after SIGTERM: at 0.1, 0.2 s', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  process.env.MOORAGE_TIMEOUT_SCALE = '0.1'
  await using daemon = await startDaemon(directories)
  delete process.env.MOORAGE_TIMEOUT_SCALE
  await using moorage = await daemon.connect()
  const command = moorage
    .container()
    .withRootfs(moorage.host.directory(rootfs.path))
    .withExec(['sh', '-c', 'trap "" TERM; while true; do sleep 1; done'])
  const caller = new AbortController()
  const ended = Promise.withResolvers<number>()
  let left = 0
  void (async () => {
    for await (const event of moorage.events()) {
      if (event.type !== 'progress' || event.kind !== 'exec') continue
      if (event.state === 'running') {
        left = performance.now()
        caller.abort(new Error('enough'))
      } else if (event.state === 'failed') ended.resolve(performance.now() - left)
    }
  })().catch(() => undefined)
  await t.rejects(command.sync({ signal: caller.signal }), { code: 'CANCELLED' })
  const took = await ended.promise
  t.ok(took > 190, `it had ${took} ms`)
  t.ok(took < 1_900, `it took ${took} ms`)
})

/** The words that people get when something fails: in the SDK the message alone, as a test runner prints it. */
import t from 'tap'
import type { MoorageError } from '../../src/index.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('messages say which service of which image failed, why, its last words, and what to do', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  await using daemon = await startDaemon(directories)
  await using moorage = await daemon.connect()
  const box = () => moorage.container().withRootfs(moorage.host.directory(root.path))
  const sh = (script: string) => box().withExec(['sh', '-c', script])
  const failureOf = async (work: Promise<unknown>): Promise<MoorageError> => {
    const error = await work.then(
      () => undefined,
      (thrown) => thrown as MoorageError,
    )
    if (error === undefined) throw new Error('it did not fail')
    return error
  }

  await t.test('a service that exits: name, image, cause, last line, remedy (E18)', async (t) => {
    const service = sh('echo begins; echo "Fatal: no such file" >&2; exit 7').withExposedPort(80)
    const error = await failureOf(service.asService().start())
    t.match(
      error.message,
      /^start \w+\.moorage\.internal: exited with code 7 before it was healthy\n {2}service: sh \(\w{12}\), of .+\n {2}its last line: Fatal: no such file\n {2}hint: its last lines say why; moorage logs \w{12} shows all/,
    )
    const bound = await failureOf(box().withServiceBinding('web', service).withExec(['true']).sync())
    t.match(bound.message, /\(aliased as web\): exited with code 7.*\n {2}service: web \(/)
    t.match(bound.message, 'Fatal: no such file')
    const why = await daemon.cli('why', error.details.service as string)
    t.match(why.stdout, /its last line +Fatal: no such file/, 'E16')
    t.equal(why.stdout.match(/failed because/g)?.length, 1, 'E16')
  })

  await t.test('a command that fails says its last line (E18)', async (t) => {
    const error = await failureOf(sh('echo made; echo "no rule" >&2; exit 3').sync())
    t.match(error.message, /exited with code 3\n {2}its last line: no rule\n {2}hint: /)
  })

  await t.test('one that goes into the background, or says nothing, is told so (L12, L05)', async (t) => {
    const daemonized = await failureOf(sh('sleep 100 & exit 0').withExposedPort(80).asService().start())
    t.match(daemonized.hint, /^run it in the foreground/)
    t.notMatch(daemonized.message, 'last line')
    const silent = await failureOf(sh('exit 9').withExposedPort(80).asService().start())
    t.match(silent.hint, /^it wrote nothing/)
    t.notMatch(silent.message, 'above')
  })

  await t.test('a run that is interrupted is cancelled, whatever it makes of SIGTERM (E20)', async (t) => {
    const stateOf = async (marker: string) => {
      const { runs } = JSON.parse((await daemon.cli('ps', '-a', '--json')).stdout) as {
        runs: { args: string[]; state: string }[]
      }
      return runs.find(({ args }) => args.includes(marker))?.state
    }
    const ends = {
      trapped: 'trap "" TERM; touch /tmp/x; while :; do sleep 1; done',
      plain: 'exec sleep 1000',
    }
    for (const [marker, script] of Object.entries(ends)) {
      const cancel = new AbortController()
      const running = failureOf(box().withExec(['sh', '-c', script, marker]).sync({ signal: cancel.signal }))
      await until(`${marker} runs`, async () => (await stateOf(marker)) === 'running', 30_000)
      cancel.abort()
      await running
      await until(`${marker} has ended`, async () => (await stateOf(marker)) !== 'running', 30_000)
      t.equal(await stateOf(marker), 'cancelled', marker)
    }
    const table = await daemon.cli('ps', '-a')
    t.match(table.stdout, /^sh +\w{12} +cancelled /m)
    t.notMatch(table.stdout, /cancelled \(exit/)
  })

  await t.test(
    'a log check sees a line without an end, and one ended by a carriage return (L04, L04b)',
    async (t) => {
      for (const [pattern, script] of [
        ['listening', 'printf listening; sleep 100'],
        [/^listening$/, 'printf listening >&2; sleep 100'],
        ['listening', 'printf "a\\rlistening\\r"; sleep 100'],
      ] as const) {
        const service = box().withHealthcheck({ log: pattern }).withExec(['sh', '-c', script])
        await using _running = await service.asService({ startTimeout: '20s' }).start()
      }
      const waiting = sh('printf listening; exec sleep 100').withHealthcheck({ log: 'ready' })
      const error = await failureOf(waiting.asService({ startTimeout: '1s' }).start())
      t.match(error.message, /none of 1 lines matches/)
      t.match(error.hint, /the pattern must match/, 'E09')
    },
  )

  await t.test('a program’s host name is the same wherever it looks (L20, L20b, F04, F04b)', async (t) => {
    const script = 'hostname; cat /proc/sys/kernel/hostname /etc/hostname; hostname -f; echo $HOSTNAME'
    const own = await box().withHostname('rabbit1').withExec(['sh', '-c', script]).stdout()
    t.equal(own, 'rabbit1\n'.repeat(5))
    const hosts = await box().withHostname('rabbit1').withExec(['cat', '/etc/hosts']).stdout()
    t.match(hosts, /^[\d.]+ rabbit1 rabbit1\.moorage\.internal \w{16}\.moorage\.internal \w{16}$/m)
    const plain = await sh(script).stdout()
    const label = (await sh(script).hostname()).split('.')[0]
    t.equal(plain, `${label}\n`.repeat(5))
    const image = box().withEnvVariable('HOSTNAME', 'other').withExec(['sh', '-c', 'echo $HOSTNAME'])
    t.equal(await image.stdout(), 'other\n', 'one that is set is kept')
    const after = sh('true').directory('/etc')
    t.same(await after.entries(), [], 'it is in no output')
  })

  await t.test('a service finds itself by the alias that its client uses, as it starts (L19)', async (t) => {
    const server = sh(
      'nslookup broker >/tmp/own 2>&1; grep broker /etc/hosts; exec httpd -f -p 80 -h /tmp',
    ).withExposedPort(80)
    const client = box().withServiceBinding('broker', server)
    const page = await client
      .withExec(['sh', '-c', 'wget -q -O - http://broker/own; grep broker /etc/hosts'])
      .stdout()
    const address = /^([\d.]+) broker$/m.exec(page)?.[1]
    t.match(page, new RegExp(`Address[^\\n]*${address}`))
  })
})

import t from 'tap'
import { cliPath, ownDirectories, run, startDaemon } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

t.setTimeout(120_000)

t.test('names of one’s own choice', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories, '--grace', '0')
  await using moorage = await daemon.connect()
  const box = moorage
    .container()
    .withRootfs(moorage.host.directory(rootfs.path))
    .withStopSignal('SIGKILL')
    .withExposedPort(80)

  await t.test('services refer to each other in a circle', async (t) => {
    // Each serves its own name, and what it gets from the other.
    const one = (own: string, other: string) =>
      box
        .withHostname(own)
        .withExec([
          'sh',
          '-c',
          `echo ${own} > /www/name; httpd -p 80 -h /www; until wget -q -O /www/other http://${other}.moorage.internal/name; do sleep 0.02; done; sleep 1000`,
        ])
        .asService()
    const [left, right] = [one('left', 'right'), one('right', 'left')]
    t.equal(await left.hostname(), 'left.moorage.internal')
    await using _left = await left.start()
    await using _right = await right.start()
    const seen = await box
      .withExec(
        [
          'sh',
          '-c',
          'for n in left right; do until wget -q -O - http://$n.moorage.internal/other; do sleep 0.02; done; done',
        ],
        { noCache: true },
      )
      .stdout()
    t.equal(seen, 'right\nleft\n')
  })

  await t.test('a name that another service has is refused, naming the holder', async (t) => {
    const one = (script: string) => box.withHostname('db').withExec(['sh', '-c', script]).asService()
    const [first, second] = [one('httpd -f -p 80'), one('httpd -f -p 80 -h /www')]
    {
      await using _first = await first.start()
      const holder = (await moorage.status()).services.find(({ state }) => state === 'ready')
      await t.rejects(second.start(), {
        code: 'HOSTNAME_TAKEN',
        message: new RegExp(
          `^start \\w+\\.moorage\\.internal: the hostname db\\.moorage\\.internal is in use by another service, ${holder?.id} \\(sh -c httpd -f -p 80\\)\n`,
        ),
      })
      await using _again = await first.start()
    }
    await first.stop()
    await using _second = await second.start()
    t.pass('free again once the holder has ended')
  })

  await t.test(
    'a name of one’s own is a name by itself, and a query says why there is none (E12, E13, E27)',
    async (t) => {
      const other = box
        .withHostname('other')
        .withExec(['sh', '-c', 'httpd -p 80 -h /www; sleep 1000'])
        .asService()
      await using _other = await other.start()
      const resolved = await box
        .withExec(['sh', '-c', 'wget -q -O /dev/null http://other/nothing 2>&1 | head -1'], { noCache: true })
        .stdout()
      t.match(resolved, /404|server returned error/, 'it answers')
      const itself = await other.exec([
        'sh',
        '-c',
        'wget -q -O /dev/null http://other/nothing 2>&1 | head -1',
      ])
      t.match(`${itself.stdout}`, /404|server returned error/, 'in itself')

      await using bound = await box
        .withServiceBinding('db', other)
        .withExec(['sh', '-c', 'httpd -p 80 -h /www; sleep 1000'])
        .asService()
        .start()
      t.ok(bound)
      const query = (...args: string[]) =>
        run(process.execPath, [cliPath, 'dns', 'query', ...args], {
          ...process.env,
          MOORAGE_HOST: daemon.host,
        })
      t.match(await query('other'), { code: 0, stdout: /^NAME[\s\S]*other +A / })
      const missed = await query('db')
      t.equal(missed.code, 3)
      const [, id = ''] = /db is an alias of (\w{12}): ask --as \1\n$/.exec(missed.stderr) ?? []
      t.match(await query('db', '--as', id), { code: 0, stdout: /db +A / })
      t.match(await query('dbx', '--as', id), { code: 3, stderr: new RegExp(`${id} has: db\n$`) })
      t.match(await query('bucket.db', '--as', id), {
        code: 3,
        stderr: /below it there is only what is bound/,
      })
      for (const [args, say] of [
        [['db', 'FOO'], /"FOO" is not a type of record/],
        [['a..b'], /empty label/],
      ] as const) {
        const { code, stderr } = await query(...args)
        t.equal(code, 2, args.join(' '))
        t.match(stderr, say)
        t.notMatch(stderr, /report it/)
      }
    },
  )

  await t.test('no circle through bindings gets in, however it is written', async (t) => {
    const binding = (exec: number) => ({ alias: 'other', service: { exec } })
    const answer = await fetchEvaluate(daemon.runtimeDirectory, {
      definition: {
        ops: [
          { op: 'scratch' },
          { op: 'exec', input: 0, args: ['first'], bindings: [binding(2)] },
          { op: 'exec', input: 0, args: ['second'], bindings: [binding(1)] },
        ],
        root: 2,
      },
      output: 'sync',
    })
    t.match(answer, /"code":"START_CYCLE"/)
    t.match(answer, /first -> second -> first/)
  })
})

t.test('with IPv6 a program sees both addresses of what is in its hosts file (E10)', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories, '--grace', '0', '--ipv6')
  await using moorage = await daemon.connect()
  const box = moorage.container().withRootfs(moorage.host.directory(rootfs.path)).withStopSignal('SIGKILL')
  const web = box.withExec(['sleep', '1000']).asService()
  const seen = await box
    .withServiceBinding('w', web)
    .withExec(['sh', '-c', 'cat /etc/host.conf; grep -c " w$" /etc/hosts'], { noCache: true })
    .stdout()
  t.equal(seen, 'multi on\n2\n')
})

async function fetchEvaluate(runtimeDirectory: string, body: unknown): Promise<string> {
  const { request } = await import('node:http')
  return new Promise((resolve, reject) => {
    const asked = request({
      socketPath: `${runtimeDirectory}/moorage.sock`,
      path: '/v1/evaluate',
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    })
    asked.on('error', reject)
    asked.on('response', async (answer) => {
      let text = ''
      for await (const chunk of answer) text += chunk
      resolve(text)
    })
    asked.end(JSON.stringify(body))
  })
}

import t from 'tap'
import { busyboxRoot } from './busybox-root.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'

t.setTimeout(240_000)

t.test('tree, why and explain tell why services are as they are', async (t) => {
  using directories = ownDirectories()
  using root = busyboxRoot()
  await using daemon = await startDaemon(directories, '--grace', '2m')
  await using moorage = await daemon.connect()
  const cli = async (...args: string[]) => {
    const { code, stdout, stderr } = await daemon.cli(...args)
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const container = () => moorage.container().withRootfs(moorage.host.directory(root.path))
  const web = (page: string) =>
    container()
      .withEnvVariable('PAGE', page)
      .withExposedPort(80)
      .withExec(['sh', '-c', 'trap "exit 0" TERM; httpd -f -p 80 -h /w & wait'])
  const front = container()
    .withServiceBinding('back', web('back'))
    .withExposedPort(80)
    .withExec(['sh', '-c', 'trap "exit 0" TERM; httpd -f -p 80 -h /w & wait'])

  await t.test('nothing runs', async (t) => {
    t.equal(await cli('tree'), 'No services.\n')
    t.equal((await daemon.cli('why', 'web')).code, 3)
    t.equal((await daemon.cli('explain', 'a', 'b')).code, 3)
  })

  const session = await front.asService().start()
  await t.test('a service is alive for a service that is alive for a session', async (t) => {
    t.match(
      await cli('tree'),
      /back \(\w{12}\), ready for \d+s\n└─ sh \(service \w{12}\)\n {3}└─ session \w{8}\n/,
    )
    const why = await cli('why', 'back')
    t.match(why, /^back \(\w{12}\), a service in default: ready for \d+s\n/)
    t.match(why, /started because +service \w{12} wants it, \d+s ago/)
    t.match(why, /alive because +service \w{12} holds it/)
    t.match(why, /healthy because +80\/tcp passed after/)
  })

  await t.test('two of one name are told apart by their definitions', async (t) => {
    const client = container().withServiceBinding('back', web('other')).withExec(['true'])
    await client.sync()
    const rows = (await moorage.status()).services.filter(({ aliases }) => aliases.includes('back'))
    t.equal(rows.length, 2)
    const [one, two] = rows.map(({ id }) => id)
    const why = await cli('why', one ?? '')
    t.match(
      why,
      /not shared because +\w{12} is called back too, but its definition is another one \(env PAGE\)/,
    )
    const explained = await cli('explain', one ?? '', two ?? '')
    t.match(explained, /^env PAGE\n {2}\w{12} {2}other\n {2}\w{12} {2}back\n$/)
    t.match(await cli('explain', one ?? '', one ?? ''), 'the same')
    t.match(JSON.parse(await cli('explain', one ?? '', two ?? '', '--json')), {
      differences: [{ field: 'env PAGE', a: 'other', b: 'back' }],
    })
  })

  await t.test('in grace: since when, after whom, until when', async (t) => {
    await until('the other is in grace', async () =>
      (await moorage.status()).services.some(({ state }) => state === 'grace'),
    )
    const [grace] = (await moorage.status()).services.filter(({ state }) => state === 'grace')
    const why = await cli('why', grace?.id ?? '')
    t.match(why, /stops because +nobody uses it; run \w{12} was the last, \d+s ago; its grace ends in \d+s/)
    t.match(await cli('tree'), /grace for \d+s\n└─ nobody: stops in \d+s/)
    await cli('stop', grace?.id ?? '')
    t.match(await cli('why', grace?.id ?? ''), /stopped because +somebody asked for it/)
  })

  await t.test('a run: why it was run, and how it ended', async (t) => {
    await t.rejects(container().withExec(['sh', '-c', 'exit 9']).sync())
    const { runs } = JSON.parse(await cli('ps', '-a', '--json')) as {
      runs: { id: string; exitCode: number }[]
    }
    const failed = runs.find(({ exitCode }) => exitCode === 9)
    const why = await cli('why', failed?.id ?? '')
    t.match(why, /a run of sh -c exit 9\n/)
    t.match(why, /started because +somebody asked for it and no result of it was stored/)
    t.match(why, /failed because .*code 9/)
  })
  await session[Symbol.asyncDispose]()
})

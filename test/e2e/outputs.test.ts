import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Container, Directory, File, Moorage, Service } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'
import { busyboxRoot } from './busybox.ts'
import { ownDirectories, startDaemon, until } from './own-daemon.ts'

// F18: an output carries the bindings of the container that makes it, wherever it is used.

t.setTimeout(300_000)

/** As the first process, httpd does not hear SIGTERM. */
const settings = { stopTimeout: 50 }

/** What a row works with: a service that counts its starts, and a container that makes something with it. */
interface Row {
  readonly name: string
  readonly moorage: Moorage
  readonly base: Container
  readonly service: Service
  /** Leaves /out/dir with f and sub/g, both with what the service says: `from NAME`. */
  readonly maker: Container
  /** Of the user, so that another time it is run again. */
  readonly round: string
  /** A directory of this machine. */
  readonly here: string
}

const files: Record<string, (row: Row) => File> = {
  'a file': ({ maker }) => maker.file('/out/dir/f'),
  'a file of a directory': ({ maker }) => maker.directory('/out').directory('dir').file('sub/g'),
  'a file of a changed container': ({ maker }) => maker.withNewFile('/new', '').file('/out/dir/f'),
  'a file of a later step': ({ maker }) => maker.withExec(['mv', '/out/dir/f', '/moved']).file('/moved'),
  'a file that was copied': ({ moorage, maker }) =>
    moorage.directory().withFile('x/y', maker.file('/out/dir/f')).file('x/y'),
  'what a URL answers': ({ moorage, service }) =>
    moorage.http('http://svc/f', { services: { svc: service } }),
}

const directories: Record<string, (row: Row) => Directory> = {
  'a directory': ({ maker }) => maker.directory('/out/dir'),
  'a directory of a directory': ({ maker }) => maker.directory('/out').directory('dir'),
  'a directory with a file of it': ({ moorage, maker }) =>
    moorage.directory().withFile('f', maker.file('/out/dir/f')),
  'a directory with a directory of it': ({ moorage, maker }) =>
    moorage.directory().withDirectory('.', maker.directory('/out/dir')),
  'a directory without some of it': ({ maker }) => maker.directory('/out/dir').withoutDirectory('sub'),
  'a directory with what a URL answers': ({ moorage, service }) =>
    moorage.directory().withFile('f', moorage.http('http://svc/f', { services: { svc: service } })),
}

/** Ends with what the service said, by way of whatever uses the output. */
type Use<Output> = (output: Output, row: Row) => Promise<unknown>

/** Shows the hosts file too, in which there is no alias but the user's own. */
const show = (path: string) => ['sh', '-c', `cat ${path} /etc/hosts`]

const ofFile: Record<string, Use<File>> = {
  contents: (file) => file.contents(),
  bytes: async (file) => (await file.bytes()).toString(),
  size: async (file, { name }) => ((await file.size()) === `from ${name}\n`.length ? `from ${name}` : 'size'),
  export: async (file, { here }) => {
    await file.export(join(here, 'exported'))
    return readFileSync(join(here, 'exported'), 'utf8')
  },
  mounted: (file, { base }) => base.withMountedFile('/m', file).withExec(show('/m')).stdout(),
  'copied into a container': (file, { base }) => base.withFile('/c', file).withExec(show('/c')).stdout(),
  'in a root filesystem': (file, { moorage, base }) =>
    moorage.container().withRootfs(base.directory('/').withFile('/f', file)).withExec(show('/f')).stdout(),
  'mounted in a service': (file, { base, round }) => asked(base, base.withMountedFile('/srv/f', file), round),
  'in a service’s filesystem': (file, { base, round }) => asked(base, base.withFile('/srv/f', file), round),
}

const ofDirectory: Record<string, Use<Directory>> = {
  entries: async (directory, { name }) =>
    (await directory.entries()).includes('f') ? `from ${name}` : 'something else',
  'contents of a file': (directory) => directory.file('f').contents(),
  digest: async (directory, { name }) =>
    (await directory.digest()).startsWith('sha256:') ? `from ${name}` : 'no digest',
  export: async (directory, { here }) => {
    await directory.export(join(here, 'directory'))
    return readFileSync(join(here, 'directory/f'), 'utf8')
  },
  mounted: (directory, { base }) =>
    base.withMountedDirectory('/m', directory).withExec(show('/m/f')).stdout(),
  'copied into a container': (directory, { base }) =>
    base.withDirectory('/c', directory).withExec(show('/c/f')).stdout(),
  'as a root filesystem': (directory, { moorage, base }) =>
    moorage
      .container()
      .withRootfs(directory.withDirectory('bin', base.directory('/bin')))
      .withExec(show('/f'))
      .stdout(),
  'mounted in a service': (directory, { base, round }) =>
    asked(base, base.withMountedDirectory('/srv', directory), round),
  'in a service’s filesystem': (directory, { base, round }) =>
    asked(base, base.withDirectory('/srv', directory), round),
}

/** What a service of this container answers to a client. */
function asked(base: Container, server: Container, round: string): Promise<string> {
  const web = server.withExposedPort(80).withExec(['httpd', '-f', '-p', '80', '-h', '/srv'])
  return base
    .withServiceBinding('web', web.asService(settings))
    .withEnvVariable('ROUND', round)
    .withExec(['wget', '-q', '-O', '-', 'http://web/f'])
    .stdout()
}

t.test('the services of what makes an output are started wherever it is used, and only then', async (t) => {
  using root = busyboxRoot()
  using own = ownDirectories()
  await using daemon = await startDaemon(own, '--grace', '0')
  await using moorage = await daemon.connect()
  const here = mkdtempSync(join(tmpdir(), 'moorage-outputs-'))
  t.teardown(() => removeTree(here))
  const starts = (name: string) =>
    readFileSync(join(own.stateDirectory, 'volumes/starts', name), 'utf8').split('\n').length - 1

  const stopped = () =>
    until('no service outlives its outputs', async () =>
      (await moorage.status()).services.every(({ state }) => state === 'stopped' || state === 'failed'),
    )

  const row = (name: string, round: string, noCache = false): Row => {
    const base = moorage.container().withRootfs(moorage.host.directory(root.path))
    const service = base
      .withMountedCache('/starts', moorage.cacheVolume('starts'))
      .withExposedPort(80)
      .withExec([
        'sh',
        '-c',
        `echo x >> /starts/${name}; mkdir /www; echo from ${name} > /www/f; exec httpd -f -p 80 -h /www`,
      ])
      .asService(settings)
    const maker = base
      .withServiceBinding('svc', service)
      .withExec(
        [
          'sh',
          '-c',
          'mkdir -p /out/dir/sub; wget -q -O /out/dir/f http://svc/f; cp /out/dir/f /out/dir/sub/g',
        ],
        { noCache },
      )
    const user = base.withEnvVariable('ROUND', round)
    return { name, moorage, base: user, service, maker, round, here: mkdtempSync(join(here, 'x-')) }
  }

  const check = async <Output>(
    name: string,
    make: (row: Row) => Output,
    use: Use<Output>,
  ): Promise<Record<string, unknown>> => {
    const told = async (round: string) => {
      const one = row(name, round)
      const said = String(await use(make(one), one))
      return {
        said: said.includes(`from ${name}`) || said,
        alias: /\bsvc\b/.test(said),
        starts: starts(name),
      }
    }
    return { first: await told('1'), second: await told('2') }
  }

  const rows = [
    ...Object.entries(files).flatMap(([what, make]) =>
      Object.entries(ofFile).map(([how, use]) => ({
        title: `${what}, ${how}`,
        run: (name: string) => check(name, make, use),
      })),
    ),
    ...Object.entries(directories).flatMap(([what, make]) =>
      Object.entries(ofDirectory).map(([how, use]) => ({
        title: `${what}, ${how}`,
        run: (name: string) => check(name, make, use),
      })),
    ),
  ]
  // Of all pairs each output and each use at least once, unless there is time for all.
  const wanted = process.env.MOORAGE_LONG === '1' ? rows : rows.filter((_, index) => index % 4 === 0)

  const results: Record<string, unknown>[] = []
  const waiting = wanted.entries()
  const worker = async () => {
    for (const [index, { run }] of waiting) {
      results[index] = await run(`r${index}`).catch((error) => ({
        error: String(error),
        hint: error.details,
      }))
    }
  }
  await Promise.all(Array.from({ length: 4 }, worker))

  for (const [index, { title }] of wanted.entries()) {
    t.strictSame(
      results[index],
      // One start for the making, none for another user of what is made; and no alias for either.
      { first: { said: true, alias: false, starts: 1 }, second: { said: true, alias: false, starts: 1 } },
      title,
    )
  }

  await t.test('what is made each time has its service each time', async (t) => {
    for (const round of ['1', '2']) {
      const one = row('fresh', round, true)
      t.equal(await one.maker.file('/out/dir/f').contents(), 'from fresh\n')
      t.equal(starts('fresh'), Number(round))
      // The answer does not wait until its services are let go of.
      await stopped()
    }
    const { moorage, service } = row('fetched', '1')
    for (const round of [1, 2]) {
      const file = moorage.http('http://svc/f', { services: { svc: service }, noCache: true })
      t.equal(await file.contents(), 'from fetched\n')
      t.equal(starts('fetched'), round)
      await stopped()
    }
  })

  await t.test('those who want one output at once share its making', async (t) => {
    const one = row('shared', '1')
    const all = await Promise.all([
      ...Array.from({ length: 10 }, () => one.maker.file('/out/dir/f').contents()),
      ...Array.from({ length: 10 }, () => one.maker.withNewFile('/x', 'x').directory('/out/dir').entries()),
      ...Array.from({ length: 10 }, () =>
        one.base.withMountedFile('/m', one.maker.file('/out/dir/f')).withExec(['cat', '/m']).stdout(),
      ),
    ])
    t.equal(new Set(all.map(String)).size, 2)
    t.equal(starts('shared'), 1)
  })

  await t.test('a user that is bound to the same service finds it running, whatever the grace', async (t) => {
    const one = row('chained', '1')
    const user = one.base
      .withServiceBinding('again', one.service)
      .withMountedFile('/m', one.maker.file('/out/dir/f'))
      .withExec(['sh', '-c', 'cat /m; wget -q -O - http://again/f'])
    t.equal(await user.stdout(), 'from chained\nfrom chained\n')
    t.equal(starts('chained'), 1)
  })

  await t.test('the service of an output that fails to start is told as that', async (t) => {
    const one = row('failing', '1')
    const broken = one.base.withExposedPort(80).withExec(['sh', '-c', 'echo no way; exit 3'])
    const file = one.base.withServiceBinding('svc', broken).withExec(['true']).file('/etc')
    await t.rejects(one.base.withMountedFile('/m', file).withExec(['true']).stdout(), {
      code: 'SERVICE_EXITED',
      message: /\(aliased as svc\): exited with code 3/,
    })
    await t.rejects(moorage.http('http://svc/f', { services: { svc: broken } }).contents(), {
      code: 'SERVICE_EXITED',
    })
  })

  await stopped()
})

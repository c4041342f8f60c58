import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ClientNamespace, createClientNamespace, type Outcome } from './client-namespace.ts'

const cli = join(import.meta.dirname, '../../src/cli/main.ts')
const many = Array.from({ length: 100 }, (_, index) => `10.0.9.${index}`)

t.setTimeout(120_000)
const space = await createClientNamespace()
t.teardown(() => space[Symbol.asyncDispose]())
const hosts = join(space.directory, 'names')
writeFileSync(hosts, '10.0.0.40 moved\n')
const server = space.serve(process.execPath, [
  ...[cli, 'dns', 'serve', '--json', '--zone', 'dev.internal', '--listen', `${space.server}:53`],
  ...['--reverse', '10.0.0.0/16', '--hosts', hosts],
  ...[
    '--record',
    'db=10.0.0.7',
    '--record',
    'db=fd00::7',
    '--record',
    'four=10.0.0.4',
    '--record',
    'six=fd00::6',
  ],
  ...many.flatMap((address) => ['--record', `many=${address}`]),
  ...many.slice(0, 29).flatMap((address) => ['--record', `some=${address}`]),
  ...['--view', `${space.client}/postgres=db`, '--view', `${space.client}/api.example.com=four`],
  ...['--view', '10.99.0.0/16/not-for-us=db'],
])
t.teardown(async () => {
  const exited = once(server, 'exit')
  server.kill('SIGTERM')
  await exited
})
await once(server.stdout as NodeJS.ReadableStream, 'data')
server.stdout?.resume()

/** One library's resolver, asked by a small program; it prints an address a line. */
interface Client {
  name: string
  resolve: (space: ClientNamespace, name: string) => Promise<Outcome>
  /** What it does with an answer that does not fit a datagram. */
  large?: 'nothing'
}

const compile = (compiler: string, name: string) => {
  const binary = join(space.directory, name)
  execFileSync(compiler, ['-static', '-o', binary, join(import.meta.dirname, 'resolve.c')])
  return binary
}
const musl = compile('musl-gcc', 'resolve-musl')

const python = `import socket, sys
try: print("\\n".join(a[4][0] for a in socket.getaddrinfo(sys.argv[1], None, type=socket.SOCK_STREAM)))
except socket.gaierror as e: print("EAI_NONAME" if e.errno == socket.EAI_NONAME else e); sys.exit(1)`
const lookup = `require('node:dns').lookup(process.argv[1], { all: true }, (error, all) => {
  console.log(error ? error.code : all.map(({ address }) => address).join('\\n')); process.exit(error ? 1 : 0) })`
const resolver = `const { Resolver } = require('node:dns').promises; const name = process.argv[1]
const all = (type) => new Resolver().resolve(name, type).catch((error) => error)
Promise.all([all('A'), all('AAAA')]).then((both) => {
  const found = both.filter(Array.isArray).flat()
  console.log(found.length > 0 ? found.join('\\n') : both[0].code); process.exit(found.length > 0 ? 0 : 1) })`

const clients: Client[] = [
  { name: 'glibc: getent ahosts', resolve: (space, name) => space.run('getent', 'ahosts', name) },
  { name: 'glibc: Python', resolve: (space, name) => space.run('/usr/bin/python3', '-c', python, name) },
  {
    name: 'glibc: Node, dns.lookup',
    resolve: (space, name) => space.run(process.execPath, '-e', lookup, name),
  },
  {
    name: 'c-ares: Node, dns.resolve',
    resolve: (space, name) => space.run(process.execPath, '-e', resolver, name),
  },
  // musl before 1.2.4 knows no TCP, and we give it nothing rather than a part.
  { name: 'musl: getaddrinfo', resolve: (space, name) => space.run(musl, name), large: 'nothing' },
  {
    name: 'busybox: nslookup',
    resolve: (space, name) => space.run('busybox', 'nslookup', name),
    large: 'nothing',
  },
  { name: 'dig', resolve: (space, name) => bothTypes(space, 'dig', name) },
  { name: 'kdig', resolve: (space, name) => bothTypes(space, 'kdig', name) },
]

/** dig and kdig ask for one type at a time, and take what there is not for an answer, too. */
async function bothTypes(space: ClientNamespace, tool: string, name: string): Promise<Outcome> {
  const found = await space.run(tool, '+short', name, 'A', name, 'AAAA')
  return { ...found, code: found.stdout.trim() === '' ? 1 : found.code }
}

/** The addresses in what a program printed, each once; not that of the server, which busybox and Node tell. */
function addressesIn({ stdout }: Outcome): string[] {
  const all = stdout.split(/[\s,]+/).map((word) => word.replace(/:53$/, ''))
  return [...new Set(all.filter((word) => /^(\d+\.){3}\d+$|^fd00:[0-9a-f:]+$/.test(word)))].sort()
}

for (const { name, resolve, large } of clients) {
  t.test(name, async (t) => {
    const cases: [name: string, addresses: string[]][] = [
      ['db.dev.internal', ['10.0.0.7', 'fd00::7']],
      ['DB.Dev.Internal', ['10.0.0.7', 'fd00::7']],
      ['four.dev.internal', ['10.0.0.4']],
      ['six.dev.internal', ['fd00::6']],
      ['postgres', ['10.0.0.7', 'fd00::7']],
      ['api.example.com', ['10.0.0.4']],
      ['some.dev.internal', many.slice(0, 29)],
    ]
    if (large === undefined) cases.push(['many.dev.internal', many])
    for (const [asked, want] of cases) {
      const outcome = await resolve(space, asked)
      const got = addressesIn(outcome).filter((address) => address !== space.server)
      t.same(got, [...want].sort(), asked)
      t.ok(outcome.took < 4000, `${asked}: without a timeout (${Math.round(outcome.took)} ms)`)
    }
    for (const asked of ['nobody.dev.internal', 'nobody', 'not-for-us']) {
      const outcome = await resolve(space, asked)
      t.same(
        addressesIn(outcome).filter((address) => address !== space.server),
        [],
        asked,
      )
      t.not(outcome.code, 0, `${asked}: says so`)
      t.ok(outcome.took < 4000, `${asked}: at once (${Math.round(outcome.took)} ms)`)
    }
  })
}

t.test('names of addresses', async (t) => {
  t.match((await space.run('getent', 'hosts', '10.0.0.7')).stdout, /10\.0\.0\.7\s+db\.dev\.internal/)
  const code = 'import socket; print(socket.gethostbyaddr("10.0.0.4")[0])'
  t.equal((await space.run('/usr/bin/python3', '-c', code)).stdout, 'four.dev.internal\n')
  t.equal((await space.run('kdig', '+short', '-x', '10.0.0.7')).stdout, 'db.dev.internal.\n')
  const none = await space.run('getent', 'hosts', '10.0.0.200')
  t.equal(none.code, 2, 'no such address')
})

t.test('a name that does not exist is EAI_NONAME, not a failure that might pass', async (t) => {
  for (const [program, ...args] of [[musl], ['/usr/bin/python3', '-c', python]] as [string, ...string[]][]) {
    t.match(
      await space.run(program, ...args, 'nobody.dev.internal'),
      { code: 1, stdout: 'EAI_NONAME\n' },
      program,
    )
  }
})

t.test('a name that moves is found at its new address by the next question', async (t) => {
  const at = async () => addressesIn(await space.run('getent', 'ahosts', 'moved.dev.internal'))
  t.same(await at(), ['10.0.0.40'])
  writeFileSync(hosts, '10.0.0.41 moved\n')
  const deadline = performance.now() + 5000
  while ((await at())[0] !== '10.0.0.41' && performance.now() < deadline);
  t.same(await at(), ['10.0.0.41'])
  t.same(addressesIn(await space.run(musl, 'moved.dev.internal')), ['10.0.0.41'])
})

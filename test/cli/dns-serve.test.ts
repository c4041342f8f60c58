import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { dig, udpClient, until } from '../dns/clients.ts'
import { answerTo, fakeUpstream } from '../dns/fake-upstream.ts'
import { header, question } from '../dns/wire.ts'
import { removeTree } from '../remove-tree.ts'
import { runCommand, startCommand } from './command.ts'

const entry = join(import.meta.dirname, '../../src/cli/main.ts')

interface Line {
  type: string
  pid: number
  addresses: { address: string; port: number }[]
  query: { name: string; client: string; type: string; status: string; source: string }
}

/** Starts the server as a process; gives its lines of JSON as they come. */
async function serve(...args: string[]) {
  const started = startCommand([
    'dns',
    'serve',
    '--zone',
    'dev.internal',
    '--listen',
    '127.0.0.1:0',
    '--json',
    ...args,
  ])
  t.teardown(() => started.child.kill('SIGKILL'))
  const lines: Line[] = []
  const stdout = started.child.stdout
  if (stdout === null) throw new Error('no pipe')
  createInterface({ input: stdout }).on('line', (line) => void lines.push(JSON.parse(line)))
  let ended = false
  void started.exited.then(() => {
    ended = true
  })
  await until(() => lines.length > 0 || ended, 'the first line')
  if (lines.length === 0) throw new Error((await started.outcome).stderr)
  return { ...started, lines, port: lines[0]?.addresses[0]?.port ?? 0 }
}

/** Asks until the answer is the wanted one; the file is followed, but not within the same instant. */
async function comes(port: number, name: string, want: string[]): Promise<string[]> {
  const deadline = performance.now() + 5000
  for (;;) {
    const { answers } = await dig(port, name)
    const found = answers.map((line) => line.split(' ').at(-1) as string)
    if (found.join() === want.join() || performance.now() > deadline) return found
  }
}

t.test('records, views, reverse names, and who asked what', async (t) => {
  const server = await serve(
    ...['--zone', 'b.internal', '--ttl', '7', '--reverse', '10.0.0.0/16'],
    ...['--record', 'db=10.0.0.7', '--record', 'DB=fd00::7', '--record', 'x.b.internal.=10.0.0.8'],
    ...['--view', '127.0.0.1/api.example.com=db', '--view', '127.0.0.0/8/postgres=db'],
    ...['--view', '127.0.0.2/six=x.b.internal.'],
  )
  const cases: [args: string[], answers: string[], status?: string][] = [
    [['db.dev.internal'], ['db.dev.internal. 7 IN A 10.0.0.7']],
    [['db.dev.internal', 'AAAA', '+tcp'], ['db.dev.internal. 7 IN AAAA fd00::7']],
    [['x.b.internal'], ['x.b.internal. 7 IN A 10.0.0.8']],
    [['api.example.com'], ['api.example.com. 7 IN A 10.0.0.7']],
    [['-b', '127.0.0.3', 'postgres'], ['postgres. 7 IN A 10.0.0.7']],
    [['-b', '127.0.0.2', 'six'], ['six. 7 IN A 10.0.0.8']],
    [['-x', '10.0.0.8'], ['8.0.0.10.in-addr.arpa. 7 IN PTR x.b.internal.']],
    [['www.example.com'], [], 'REFUSED'],
    [['nothing.dev.internal'], [], 'NXDOMAIN'],
  ]
  for (const [args, answers, status = 'NOERROR'] of cases) {
    const found = await dig(server.port, ...args)
    t.same([found.status, found.answers], [status, answers], args.join(' '))
  }
  await until(() => server.lines.length === cases.length + 1, 'a line for each query')
  t.match(server.lines[0], { type: 'listening', pid: server.child.pid })
  t.match(server.lines[5], {
    type: 'query',
    time: /^20/,
    query: { name: 'postgres', client: '127.0.0.3', type: 'A', status: 'NOERROR', source: 'view' },
  })
  server.child.kill('SIGTERM')
  t.match(await server.outcome, { code: 0, stderr: '' })
})

t.test('a hosts file is followed: written in place, renamed over, deleted, made again', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-serve-'))
  t.teardown(() => removeTree(directory))
  const file = join(directory, 'hosts')
  writeFileSync(file, '127.0.0.1 localhost\n10.0.0.1 one.dev.internal one.alias\n10.0.0.2 two # the second\n')
  const server = await serve('--hosts', file, '--record', 'fixed=10.9.9.9')
  t.same(await comes(server.port, 'one.dev.internal', ['10.0.0.1']), ['10.0.0.1'])
  t.same(await comes(server.port, 'two.dev.internal', ['10.0.0.2']), ['10.0.0.2'])
  writeFileSync(file, '10.0.0.3 one.dev.internal\n10.0.0.4 one.dev.internal fixed\nnonsense\n')
  t.same(await comes(server.port, 'one.dev.internal', ['10.0.0.3', '10.0.0.4']), ['10.0.0.3', '10.0.0.4'])
  t.equal((await dig(server.port, 'two.dev.internal')).status, 'NXDOMAIN', 'what it no longer says is gone')
  t.same(await comes(server.port, 'fixed.dev.internal', ['10.9.9.9']), ['10.9.9.9'], 'the command line wins')
  writeFileSync(`${file}.new`, '10.0.0.5 one.dev.internal\n')
  renameSync(`${file}.new`, file)
  t.same(await comes(server.port, 'one.dev.internal', ['10.0.0.5']), ['10.0.0.5'], 'renamed over')
  truncateSync(file)
  writeFileSync(file, '10.0.0.6 one.dev.internal\n')
  t.same(await comes(server.port, 'one.dev.internal', ['10.0.0.6']), ['10.0.0.6'], 'in place')
  rmSync(file)
  t.same(await comes(server.port, 'one.dev.internal', []), [], 'deleted')
  writeFileSync(file, '10.0.0.7 one.dev.internal\n')
  t.same(await comes(server.port, 'one.dev.internal', ['10.0.0.7']), ['10.0.0.7'], 'made again')
  server.child.kill('SIGINT')
  const { code, stderr } = await server.outcome
  t.equal(code, 0)
  t.match(stderr, /hosts:2: one\.alias is in no zone of this server/)
  t.match(stderr, /hosts:3: "nonsense" is no address|hosts:3: an address without a name/)
  t.match(stderr, /hosts: is gone/)
})

t.test('SIGTERM: what is in flight is answered, and then it is over', async (t) => {
  const held: Buffer[] = []
  await using upstream = await fakeUpstream((query) => void held.push(query))
  await using corp = await fakeUpstream((query) => answerTo(query, ['192.0.2.2']))
  const server = await serve('--upstream', upstream.where, '--upstream', `corp.example.com=${corp.where}`)
  t.same((await dig(server.port, 'a.corp.example.com')).answers, ['a.corp.example.com. 60 IN A 192.0.2.2'])
  using client = await udpClient(server.port)
  client.send(question('www.example.com'))
  await until(() => held.length === 1, 'the forwarded query')
  server.child.kill('SIGTERM')
  upstream.say(answerTo(held[0] as Buffer, ['192.0.2.1']))
  t.match(header((await client.received(1))[0] as Buffer), { rcode: 0, answers: 1 })
  t.match(await server.outcome, { code: 0 })
  t.not((await dig(server.port, 'db.dev.internal').catch(() => ({ status: '' }))).status, 'NOERROR')
})

t.test('a reader of its output that is slow does not stop it', async (t) => {
  const args = ['dns', 'serve', '--zone', 'dev.internal', '--listen', '127.0.0.1:0', '--json']
  const child = spawn(process.execPath, [entry, ...args, '--record', 'db=10.0.0.7'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [first] = (await once(child.stdout, 'data')) as [Buffer]
  child.stdout.pause()
  const { addresses } = JSON.parse(first.toString()) as Line
  const port = addresses[0]?.port ?? 0
  using client = await udpClient(port)
  const count = 30_000
  for (let id = 0; id < count; id += 100) {
    for (let next = id; next < id + 100; next++) client.send(question('db.dev.internal', 'A', { id: next }))
    await client.received(id + 100)
  }
  t.equal(client.answers.length, count, 'every query is answered')
  let told = 0
  let left = 0
  createInterface({ input: child.stdout }).on('line', (line) => {
    const { type, queries } = JSON.parse(line) as { type: string; queries: number }
    if (type === 'missed') left += queries
    else told++
  })
  let asked = count
  // The number of queries left out is printed with the next one.
  for (; left === 0; asked++) await dig(port, 'db.dev.internal')
  await until(() => told + left === asked, 'every query is told, or counted as left out')
  t.ok(left > 1000, `${left} were left out`)
  child.kill('SIGTERM')
  t.same(await once(child, 'exit'), [0, null])
})

t.test('what is wrong is told, with its exit code', async (t) => {
  const busy = await serve()
  const good = ['dns', 'serve', '--zone', 'z', '--listen', '127.0.0.1:0']
  const cases: [args: string[], code: number, stderr: RegExp][] = [
    [['dns', 'serve', '--listen', '127.0.0.1:0'], 2, /--zone/],
    [['dns', 'serve', '--zone', 'z'], 2, /--listen/],
    [['dns', 'serve', '--zone', 'z', '--listen', 'localhost'], 2, /127\.0\.0\.1:5353/],
    [['dns', 'serve', '--zone', 'a b', '--listen', '127.0.0.1:0'], 2, /is not a host name/],
    [['dns', 'serve', '--zone', 'z', '--listen', `127.0.0.1:${busy.port}`], 1, /another program has that/],
    [['dns', 'serve', '--zone', 'z', '--listen', '0.0.0.0:0'], 2, /address that was asked/],
    [['dns', 'serve', '--zone', 'z', '--listen', '[::]:0'], 2, /address that was asked/],
    [[...good, '--record', 'db'], 2, /db=10\.0\.0\.7/],
    [[...good, '--record', 'db=10.0.0.256'], 2, /is not an IPv4 or IPv6 address/],
    [[...good, '--view', 'postgres=db'], 2, /10\.0\.0\.9\/postgres=db/],
    [[...good, '--view', '10.0.0.9/a=x.example.com.'], 2, /in no zone/],
    [[...good, '--upstream', 'dns.example.com'], 2, /9\.9\.9\.9/],
    [[...good, '--hosts', '/nonexistent/hosts'], 2, /\/nonexistent\/hosts: there is no such file/],
    [[...good, '--ttl', 'long'], 2, /--ttl/],
    [[...good, '--ttl', '-1'], 2, /ttl: -1/],
    [[...good, '--reverse', '10.0.0.0'], 2, /reverse/],
  ]
  const outcomes = await Promise.all(cases.map(([args]) => runCommand(args)))
  for (const [index, [args, code, stderr]] of cases.entries()) {
    t.equal(outcomes[index]?.code, code, args.join(' '))
    t.match(outcomes[index]?.stderr, stderr)
  }
  busy.child.kill('SIGTERM')
  await busy.outcome
})

t.test('a name that ends with a zone is complete, in records and views (E11)', async (t) => {
  const server = await serve(
    ...['--zone', 'in.dev.internal', '--zone', 'other.internal'],
    ...[
      '--record',
      'b.dev.internal=10.0.0.1',
      '--record',
      'c=10.0.0.2',
      '--record',
      'c.D.dev.Internal=10.0.0.3',
    ],
    ...['--record', 'dev.internal=10.0.0.4', '--record', 'x.in.dev.internal=10.0.0.5'],
    ...[
      '--record',
      'y.other.internal=10.0.0.6',
      '--record',
      'a.b=10.0.0.7',
      '--record',
      'w.dev.internal.=10.0.0.8',
    ],
    ...[
      '--record',
      'mydev.internal=10.0.0.9',
      '--record',
      '@=10.0.0.10',
      '--record',
      'C.dev.internal=10.0.0.12',
    ],
    ...['--view', '127.0.0.1/pg=b.dev.internal', '--view', '127.0.0.1/short=c'],
    ...['--view', '127.0.0.1/far=y.other.internal'],
  )
  const cases: [name: string, addresses: string[]][] = [
    ['b.dev.internal', ['10.0.0.1']],
    ['b.dev.internal.dev.internal', []],
    ['c.dev.internal', ['10.0.0.2', '10.0.0.12']],
    ['c.d.dev.internal', ['10.0.0.3']],
    ['dev.internal', ['10.0.0.4', '10.0.0.10']],
    ['x.in.dev.internal', ['10.0.0.5']],
    ['y.other.internal', ['10.0.0.6']],
    ['a.b.dev.internal', ['10.0.0.7']],
    ['w.dev.internal', ['10.0.0.8']],
    ['mydev.internal.dev.internal', ['10.0.0.9']],
    ['pg', ['10.0.0.1']],
    ['short', ['10.0.0.2', '10.0.0.12']],
    ['far', ['10.0.0.6']],
  ]
  for (const [name, addresses] of cases) {
    const { answers } = await dig(server.port, name)
    t.same(
      answers.map((line) => line.split(' ').at(-1)),
      addresses,
      name,
    )
  }
  server.child.kill('SIGTERM')
  await server.outcome
})

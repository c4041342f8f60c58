import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { startDaemon } from '../../src/client/daemon/start-daemon.ts'
import { lockStart } from '../../src/client/daemon/start-lock.ts'
import { hostOf } from '../../src/client/index.ts'
import { unreachable } from '../../src/client/wire/daemon-errors.ts'
import { type ConnectOptions, connect } from '../../src/index.ts'
import { removeTree } from '../remove-tree.ts'
import { fakeDaemon, until } from './fake-daemon.ts'

t.setTimeout(120_000)

const program = (name: string) => join(import.meta.dirname, `${name}.ts`)

interface Start {
  pid: number
  flags: string[]
  cwd: string
  state?: string
  runtime?: string
}

/** Makes a runtime directory for one test; daemons that were started in it are killed at the end. */
function ownDirectory() {
  const path = mkdtempSync(join(tmpdir(), 'moorage-connect-'))
  const starts = (): Start[] => {
    const file = join(path, 'starts')
    if (!existsSync(file)) return []
    // The last line may be half written.
    return readFileSync(file, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  }
  const runtimeDirectory = join(path, 'run')
  return {
    path,
    runtimeDirectory,
    socket: join(runtimeDirectory, 'moorage.sock'),
    starts,
    options: (behaviour: string): ConnectOptions => ({
      runtimeDirectory,
      daemonCommand: [process.execPath, program('fake-daemon-program'), behaviour, path],
    }),
    [Symbol.dispose]() {
      for (const { pid } of starts()) kill(pid)
      removeTree(path)
    },
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Starts a process that connects once `ready` resolves; `outcome` is the JSON that it prints. */
function connecting(
  options: ConnectOptions,
  { ready = async () => {}, ...user }: { uid?: number; gid?: number; ready?: () => Promise<void> } = {},
) {
  const child = spawn(process.execPath, [program('connect-program'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...user,
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const outcome = (async () => {
    await lines.next()
    await ready()
    child.stdin.write('go')
    const { value } = await lines.next()
    return JSON.parse(value ?? '{}') as { connected?: true; code?: string; message?: string }
  })()
  return { child, outcome }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

t.test('where the daemon is looked for', async (t) => {
  const { MOORAGE_HOST, MOORAGE_RUNTIME_DIR } = process.env
  const set = (environment: Record<string, string | undefined>) => {
    for (const name of ['MOORAGE_HOST', 'MOORAGE_RUNTIME_DIR']) {
      const value = environment[name]
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  t.teardown(() => set({ MOORAGE_HOST, MOORAGE_RUNTIME_DIR }))
  const env = { MOORAGE_HOST: 'http://env:1', MOORAGE_RUNTIME_DIR: '/env' }
  const cases: [Record<string, string>, ConnectOptions, string][] = [
    [{}, {}, 'unix:///run/moorage/moorage.sock'],
    [{ MOORAGE_HOST: '', MOORAGE_RUNTIME_DIR: '' }, {}, 'unix:///run/moorage/moorage.sock'],
    [{ MOORAGE_RUNTIME_DIR: '/env' }, {}, 'unix:///env/moorage.sock'],
    [env, {}, 'http://env:1'],
    [env, { host: 'unix:///given' }, 'unix:///given'],
    [env, { runtimeDirectory: '/given' }, 'unix:///given/moorage.sock'],
    [{}, { runtimeDirectory: 'given' }, `unix://${process.cwd()}/given/moorage.sock`],
  ]
  for (const [environment, options, host] of cases) {
    set(environment)
    t.equal(hostOf(options), host, JSON.stringify([environment, options]))
  }
})

t.test('a daemon that is there is used', async (t) => {
  await using daemon = await fakeDaemon()
  const messages: string[] = []
  await using moorage = await connect({
    host: daemon.host,
    daemonCommand: ['/no/such/program'],
    logger: { debug: (message) => messages.push(message) },
  })
  t.ok(moorage)
  t.equal(daemon.sessions(), 1)
  t.same(messages, [])
})

t.test('a remote host that does not answer is an error, and no daemon is started', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  await t.rejects(connect({ host: `http://127.0.0.1:${port}`, daemonCommand: ['/no/such/program'] }), {
    code: 'DAEMON_UNREACHABLE',
    message: /nobody listens/,
  })
})

t.test(
  'where no daemon runs, one is started: independent of this process, with its directories',
  async (t) => {
    using own = ownDirectory()
    const messages: string[] = []
    const moorage = await connect({
      ...own.options('is slow'),
      stateDirectory: 'relative/state',
      logger: { debug: (message) => messages.push(message) },
    })
    const [start, ...more] = own.starts()
    t.same(more, [])
    t.hasStrict(start, {
      flags: ['--listen', `unix://${own.socket}`, '--idle-exit', '10s'],
      cwd: '/',
      runtime: own.runtimeDirectory,
      state: join(process.cwd(), 'relative/state'),
    })
    const session = readFileSync(`/proc/${start?.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[3]
    t.equal(session, String(start?.pid), 'a session of its own: our Ctrl-C does not reach it')
    t.match(messages, [/no daemon at .*: starting one/])
    await moorage.close()
    await using again = await connect(own.options('crashes'))
    t.ok(again, 'and is there for the next one')
  },
)

t.test(
  'who may not use the socket is told the way into the group, not to start a daemon (E25)',
  async (t) => {
    const { code, hint } = unreachable('unix:///x', Object.assign(new Error('x'), { code: 'EACCES' }))
    t.equal(code, 'DAEMON_UNREACHABLE')
    t.match(hint, 'groupadd -f moorage && sudo usermod -aG moorage $USER')
    t.match(
      unreachable('unix:///x', Object.assign(new Error('x'), { code: 'ENOENT' })).hint,
      'moorage daemon',
    )
  },
)

t.test('the log of the daemon before is there after the next start, to read a crash in (B5)', async (t) => {
  using own = ownDirectory()
  mkdirSync(own.runtimeDirectory, { recursive: true })
  const log = join(own.runtimeDirectory, 'daemon.log')
  writeFileSync(log, 'the trace of a crash\n')
  await (await connect(own.options('works'))).close()
  t.match(readFileSync(log, 'utf8'), /^the trace of a crash\n/)
  for (const { pid } of own.starts()) kill(pid)
  rmSync(own.socket, { force: true })
  writeFileSync(log, 'x'.repeat(5 * 1024 * 1024))
  await (await connect(own.options('works'))).close()
  t.ok(readFileSync(log).length < 1024 * 1024, 'but it does not grow for ever')
  t.equal(readFileSync(`${log}.1`).length, 5 * 1024 * 1024)
})

t.test('twenty processes at once start one daemon', async (t) => {
  using own = ownDirectory()
  const { daemonCommand = [], ...options } = own.options('is slow')
  const spawned = join(own.path, 'spawned')
  // A shell counts them: the count of the daemons themselves would miss one that is still loading.
  const counted = ['sh', '-c', 'echo >>"$0"; exec "$@"', spawned, ...daemonCommand]
  let loading = 20
  const together = Promise.withResolvers<void>()
  const ready = () => {
    loading -= 1
    if (loading === 0) together.resolve()
    return together.promise
  }
  const clients = Array.from({ length: 20 }, () =>
    connecting({ ...options, daemonCommand: counted }, { ready }),
  )
  const outcome = await Promise.all(clients.map((client) => client.outcome))
  t.same(outcome, Array(20).fill({ connected: true }))
  t.equal(readFileSync(spawned, 'utf8'), '\n')
  for (const { child } of clients) child.stdin.end()
  await Promise.all(clients.map(({ child }) => ended(child)))
})

t.test('a process that dies while it starts one does not keep the others from it', async (t) => {
  using own = ownDirectory()
  mkdirSync(own.runtimeDirectory)
  const first = connecting(own.options('hangs'))
  await until('it starts one', () => own.starts().length === 1)
  const second = connect(own.options('works'))
  first.child.kill('SIGKILL')
  await using moorage = await second
  t.ok(moorage)
  t.equal(own.starts().length, 2)
})

t.test('the lock is the process’s: nobody has to clean up after it', async (t) => {
  using own = ownDirectory()
  const path = join(own.path, 'lock.db')
  {
    using lock = await lockStart(path)
    t.ok(lock)
    t.equal(await lockStart(path), undefined, 'one has it')
  }
  using lock = await lockStart(path)
  t.ok(lock, 'then another')
})

t.test('whoever waits for another’s start uses what that started', async (t) => {
  using own = ownDirectory()
  mkdirSync(own.runtimeDirectory)
  using _lock = await lockStart(join(own.runtimeDirectory, 'start.lock.db'))
  const waiting = connect(own.options('crashes'))
  const server = createServer(
    (_request, response) => void response.writeHead(200).write('{"type":"session","id":"x"}\n'),
  )
  server.listen(own.socket)
  await using moorage = await waiting
  t.ok(moorage)
  t.same(own.starts(), [])
  await moorage.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

t.test('a daemon that cannot start says why', async (t) => {
  using own = ownDirectory()
  await t.rejects(connect(own.options('says why')), {
    code: 'SUBNET_IN_USE',
    details: { subnet: '10.0.0.0/8' },
    message: /eth0 has it/,
  })
  await t.rejects(connect(own.options('crashes')), {
    code: 'DAEMON_START_FAILED',
    message: /it ended with code 3\none\ntwo$/,
  })
  await t.rejects(connect(own.options('says nothing')), { code: 'DAEMON_START_FAILED', message: /code 4$/ })
  await t.rejects(connect({ ...own.options(''), daemonCommand: ['/no/such/program'] }), {
    code: 'DAEMON_START_FAILED',
    message: /ENOENT/,
  })
})

t.test('one that does not come up is not waited for without end', async (t) => {
  using own = ownDirectory()
  const { daemonCommand } = own.options('hangs')
  await t.rejects(startDaemon({ socket: own.socket, command: daemonCommand, timeouts: { start: 400 } }), {
    code: 'DAEMON_START_FAILED',
    message: /not within 0\.4 s; see .*daemon\.log/,
  })
})

t.test('a cancelled connect() returns at once', async (t) => {
  using own = ownDirectory()
  const abort = new AbortController()
  const call = connect({ ...own.options('hangs'), signal: abort.signal })
  const settled = Promise.allSettled([call])
  await until('it starts one', () => own.starts().length === 1)
  abort.abort()
  t.match(await settled, [{ status: 'rejected', reason: { code: 'CANCELLED' } }])
  await t.rejects(connect({ ...own.options('works'), signal: AbortSignal.abort() }), { code: 'CANCELLED' })
  t.equal(own.starts().length, 1, 'for who has gone before, none is started')
})

t.test('a daemon that is just leaving is followed by another', async (t) => {
  using own = ownDirectory()
  await using moorage = await connect(own.options('leaves once'))
  t.ok(moorage)
  t.equal(own.starts().length, 2)
})

t.test('but not for ever', async (t) => {
  using own = ownDirectory()
  await t.rejects(connect(own.options('always leaves')), { code: 'DAEMON_UNREACHABLE' })
  t.equal(own.starts().length, 5)
})

t.test(
  'the state directory of one that is leaving is waited for, that of one that stays is not',
  async (t) => {
    using own = ownDirectory()
    const holder = spawn('sleep', ['15'])
    t.teardown(() => holder.kill())
    writeFileSync(join(own.path, 'holder'), String(holder.pid))
    const command = own.options('is locked out').daemonCommand
    const locked = { code: 'STATE_LOCKED', details: { pid: String(holder.pid) } }
    await t.rejects(startDaemon({ socket: own.socket, command, timeouts: { leaving: 200 } }), locked)
    t.equal(own.starts().length, 1)

    rmSync(join(own.path, 'was-here'))
    const waiting = connect(own.options('is locked out'))
    await until('the first was locked out', () => own.starts().length === 2)
    holder.kill()
    await using moorage = await waiting
    t.ok(moorage)
    t.equal(own.starts().length, 3)
  },
)

t.test('who is not root can use a daemon, but start none', async (t) => {
  using own = ownDirectory()
  chmodSync(own.path, 0o755)
  const nobody = { uid: 65_534, gid: 65_534 }
  const { daemonCommand: _, ...options } = own.options('works')
  t.match(await connecting(options, nobody).outcome, { code: 'NOT_ROOT', message: /user 65534/ })

  await using daemon = await fakeDaemon()
  chmodSync(daemon.directory, 0o755)
  chmodSync(daemon.socket, 0o666)
  const allowed = connecting({ host: daemon.host }, nobody)
  t.match(await allowed.outcome, { connected: true })
  allowed.child.stdin.end()
  await ended(allowed.child)

  chmodSync(daemon.socket, 0o600)
  t.match(await connecting({ host: daemon.host }, nobody).outcome, {
    code: 'DAEMON_UNREACHABLE',
    message: /permission denied; the socket is for root and the group moorage/,
  })
})

t.test('the end of the process is the end of its session, however it ends', async (t) => {
  await using daemon = await fakeDaemon()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const { child, outcome } = connecting({ host: daemon.host })
    await outcome
    t.equal(daemon.sessions(), 1)
    child.kill(signal)
    await until(`the session ended by ${signal}`, () => daemon.sessions() === 0)
  }
})

t.test('the network is the given one, else the environment’s, else default', async (t) => {
  await using daemon = await fakeDaemon({
    'POST evaluate': ({ end }) => end({ type: 'result', value: '', exitCode: 0 }),
  })
  const { MOORAGE_NETWORK } = process.env
  t.teardown(() => {
    if (MOORAGE_NETWORK === undefined) delete process.env.MOORAGE_NETWORK
    else process.env.MOORAGE_NETWORK = MOORAGE_NETWORK
  })
  const used = async (options: ConnectOptions) => {
    await using moorage = await connect({ host: daemon.host, ...options })
    await moorage.container().from('x').sync()
    return (daemon.asked.at(-1)?.body as { network: string } | undefined)?.network
  }
  delete process.env.MOORAGE_NETWORK
  t.equal(await used({}), 'default')
  process.env.MOORAGE_NETWORK = 'of-the-environment'
  t.equal(await used({}), 'of-the-environment')
  t.equal(await used({ network: 'given' }), 'given')
})

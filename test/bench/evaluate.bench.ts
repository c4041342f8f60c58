/**
 * What asking costs: a cached answer through the socket, beside Node's own question and answer over a unix socket;
 * attaching a client to a ready service, beside `docker run --rm` on the same root filesystem; a thousand concurrent
 * callers of one run in 20 processes; DNS answers while 50 services start, beside those of dnsmasq in the same network.
 *
 * Usage: scripts/bench evaluate [--json]
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus, release } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { createTransport } from '../../src/client/index.ts'
import type { Moorage } from '../../src/index.ts'
import { busyboxRoot } from '../e2e/busybox-root.ts'
import { attached, letGo, startCallers } from '../e2e/once.ts'
import { type OwnDaemon, ownDirectories, redisImage, startDaemon, until } from '../e2e/own-daemon.ts'
import { type Contender, finish, median, quantile, type Row, report, takeTurns } from './frame.ts'
import { importRootfs } from './moorage-pair.ts'
import { startDockerd } from './own-dockerd.ts'

const command = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']
const callers = 1_000
const processes = 20
const started = 50

async function measure(): Promise<Row[]> {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories)
  await using moorage = await daemon.connect()
  const { version, runtime } = await moorage.status()
  console.log(`ours: moorage ${version}, runtime ${runtime}, Node ${process.version}`)
  console.log(`host: Linux ${release()}, ${cpus().length} processors`)
  return [
    ...(await cached(moorage, dirname(directories.stateDirectory))),
    ...(await attaching(moorage, directories.stateDirectory)),
    ...(await thousand(moorage, daemon)),
    ...(await names(moorage)),
  ]
}

/** Turns of 200 questions, one after the other, so that both see the same machine. */
async function cached(moorage: Moorage, directory: string): Promise<Row[]> {
  const container = moorage.container().from(redisImage).withExec(['echo', 'hello'])
  const socket = join(directory, 'bare.sock')
  const bare = spawn(process.execPath, [new URL('bare-http-program.ts', import.meta.url).pathname, socket], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(bare, 'exit')
  try {
    await once(bare.stdout, 'data')
    const transport = createTransport(`unix://${socket}`)
    const body = {
      definition: {
        ops: [
          { op: 'image', ref: redisImage },
          { op: 'exec', input: 0 },
        ],
        root: 1,
      },
    }
    const ours = async () => {
      if ((await container.stdout()) !== 'hello\n') throw new Error('the answer is another one')
    }
    const theirs = async () => {
      for await (const event of transport.stream('POST', '/v1/evaluate', body))
        if (event.type === 'result') return
    }
    const times = { ours: [] as number[], theirs: [] as number[] }
    for (let turn = -2; turn < 10; turn += 1) {
      for (const [name, ask] of [['ours', ours] as const, ['theirs', theirs] as const]) {
        for (let n = 0; n < 200; n += 1) {
          const begin = performance.now()
          await ask()
          if (turn >= 0) times[name].push(performance.now() - begin)
        }
      }
    }
    console.log('\na cached answer                      p50     p90     p99     max  ms')
    console.log(spread('stdout(), cached: moorage', times.ours))
    console.log(spread('a question: bare node:http', times.theirs))
    return [0.5, 0.99].map((share) => {
      const [mine, peer] = [quantile(times.ours, share), quantile(times.theirs, share)]
      return row(`cached stdout(), p${share * 100}`, mine, peer, 'bare node:http')
    })
  } finally {
    bare.kill('SIGTERM')
    await gone
  }
}

/** A client of a Redis that is ready: from the call to its output. */
async function attaching(moorage: Moorage, stateDirectory: string): Promise<Row[]> {
  const directory = dirname(stateDirectory)
  const rootfs = join(directory, 'rootfs.tar')
  importRootfs(stateDirectory, rootfs)
  await using engine = await startDockerd(join(directory, 'docker'))
  await engine.docker('import', rootfs, 'redis-bench')
  await engine.docker('network', 'create', '--subnet', '10.213.0.0/16', 'bench')
  const place = ['--network', 'bench', '--ip', '10.213.1.1']
  await engine.docker('run', '-d', '--name', 'redis', ...place, 'redis-bench', ...command)
  await engine.accepts('10.213.1.1', 6379)

  const redis = moorage
    .container()
    .from(redisImage)
    .withExposedPort(6379)
    .withExec([...command])
  await using _held = await redis.asService().start()
  const asking = moorage
    .container()
    .from(redisImage)
    .withServiceBinding('redis', redis)
    .withExec(['redis-cli', '-h', 'redis', 'ping'], { noCache: true })
  const timed = (name: string, ask: () => Promise<string>): Contender => ({
    name,
    async run() {
      const begin = performance.now()
      const answer = await ask()
      if (answer.trim() !== 'PONG') throw new Error(`${name}: expected PONG, got ${answer}`)
      return { client: performance.now() - begin }
    },
  })
  const contenders = [
    timed('moorage', () => asking.stdout()),
    timed('docker run --rm', () =>
      engine.docker('run', '--rm', '--network', 'bench', 'redis-bench', 'redis-cli', '-h', 'redis', 'ping'),
    ),
  ] as const
  console.log(`\npeer: ${engine.versions}`)
  const samples = await takeTurns(contenders, { rounds: 30, warmup: 3, idle: 0 })
  return report('a ready service', contenders, samples)
}

/** All attached to one run, which is let go once they are; five runs of it. */
async function thousand(moorage: Moorage, { host }: OwnDaemon): Promise<Row[]> {
  using root = busyboxRoot()
  const whole: number[] = []
  const attaching: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const volume = `thousand-${round}`
    await using group = await startCallers(
      Array.from({ length: processes }, () => ({
        host,
        root: root.path,
        volume,
        callers: callers / processes,
        leave: [],
      })),
    )
    const begin = performance.now()
    const called = group.call()
    await until('all are attached', async () => (await attached(host)) === callers, 60_000)
    attaching.push(performance.now() - begin)
    await letGo(moorage, root.path, volume)
    const { answers, failures } = await called.ended
    whole.push(performance.now() - begin)
    if (answers['line\n'] !== callers || failures.length > 0)
      throw new Error(`not one line for all: ${JSON.stringify(answers)} ${failures.join(', ')}`)
  }
  console.log(`\n${callers} callers, ${processes} processes        median     p90     max  ms`)
  console.log(spread('from the call until all are attached', attaching, [0.5, 0.9, 1]))
  console.log(spread('from the call to the last answer', whole, [0.5, 0.9, 1]))
  return [
    {
      metric: `${callers} callers of one run, ${processes} processes`,
      unit: 'ms',
      ours: rounded(median(whole)),
      peer: 3_000,
      peerName: 'the most it may take',
      ratio: rounded(3_000 / median(whole)),
    },
  ]
}

/** Answers to a question every 2 ms, asked within the network: of ours and of dnsmasq, while services start. */
async function names(moorage: Moorage): Promise<Row[]> {
  using root = busyboxRoot()
  const { networks } = await moorage.status()
  const [network] = networks
  if (network === undefined) throw new Error('there is no network')
  const service = (instance: string) =>
    moorage
      .container()
      .withRootfs(moorage.host.directory(root.path))
      .withExposedPort(80)
      .withExec(['sh', '-c', 'trap "exit 0" TERM; httpd -f -p 80 -h /w & wait'])
      .asService({ instance, grace: 0, stopTimeout: 500 })
  await using asked = await service('asked for').start()
  const name = await asked.hostname()
  await using dnsmasq = await startDnsmasq(network.namespace, name)
  const whileDoing = async (work: () => Promise<void>) => {
    const ours = await ask(network.namespace, network.gateway, name)
    const theirs = await ask(network.namespace, dnsmasq.address, name, dnsmasq.port)
    await work()
    return { ours: await ours.times(), theirs: await theirs.times() }
  }
  const quiet = await whileDoing(() => new Promise((resolve) => setTimeout(resolve, 3_000)))
  const busy = { ours: [] as number[], theirs: [] as number[] }
  const starts: number[] = []
  for (let round = 0; round < 3; round += 1) {
    const { ours, theirs } = await whileDoing(async () => {
      const begin = performance.now()
      const handles = await Promise.all(
        Array.from({ length: started }, (_, n) => service(`${round} ${n}`).start()),
      )
      starts.push(performance.now() - begin)
      await Promise.all(handles.map((handle) => handle[Symbol.asyncDispose]()))
    })
    busy.ours.push(...ours)
    busy.theirs.push(...theirs)
    await until(
      'they have stopped',
      async () => {
        const { services } = await moorage.status()
        return services.filter(({ state }) => state !== 'stopped' && state !== 'failed').length <= 2
      },
      30_000,
    )
  }
  console.log(`\nDNS answers, a question every 2 ms   p50     p90     p99     max  ms`)
  console.log(spread(`moorage, while ${started} services start`, busy.ours))
  console.log(spread(`dnsmasq, while ${started} services start`, busy.theirs))
  console.log(spread('moorage, while nothing does', quiet.ours))
  console.log(spread('dnsmasq, while nothing does', quiet.theirs))
  console.log(
    `  ${started} services are ready after ${Math.round(median(starts))} ms (${busy.ours.length} answers)`,
  )
  return [
    row(
      `DNS answer p99 while ${started} services start`,
      quantile(busy.ours, 0.99),
      quantile(busy.theirs, 0.99),
      'dnsmasq',
    ),
  ]
}

/** The peer: it knows one name, in the network's namespace too, on a port of its own. */
async function startDnsmasq(namespace: string, name: string) {
  const [address, port] = ['127.0.0.1', 5353]
  const options = [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--pid-file',
    '--user=root',
    '--no-resolv',
  ]
  const child = spawn(
    'nsenter',
    [
      ...[`--net=${namespace}`, 'dnsmasq', ...options, '--no-hosts', `--address=/${name}/10.255.0.1`],
      ...[`--listen-address=${address}`, '--bind-interfaces', `--port=${port}`],
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const exited = once(child, 'exit')
  const dig = ['dig', '+short', '+time=1', '+tries=1', `@${address}`, '-p', String(port), name]
  const answers = () => spawnSync('nsenter', [`--net=${namespace}`, ...dig]).status === 0
  await until('dnsmasq answers', async () => answers(), 10_000)
  return {
    address,
    port,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
    },
  }
}

/** Asks from now on until the times are wanted. */
async function ask(namespace: string, server: string, name: string, port = 53) {
  const program = new URL('dns-prober-program.ts', import.meta.url).pathname
  const child = spawn(
    'nsenter',
    [`--net=${namespace}`, process.execPath, program, server, name, String(port)],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  if ((await lines.next()).value !== 'asking') throw new Error('the prober did not start')
  return {
    async times(): Promise<number[]> {
      child.stdin.end()
      const times = JSON.parse(String((await lines.next()).value))
      await once(child, 'exit')
      return times
    },
  }
}

function spread(name: string, times: readonly number[], shares = [0.5, 0.9, 0.99, 1]): string {
  return `  ${name.padEnd(38)}${shares.map((share) => quantile(times, share).toFixed(2).padStart(8)).join('')}`
}

function row(metric: string, ours: number, peer: number, peerName: string): Row {
  return {
    metric,
    unit: 'ms',
    ours: rounded(ours),
    peer: rounded(peer),
    peerName,
    ratio: rounded(peer / ours),
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}

if (spawnSync('nsenter', ['--version']).status !== 0)
  throw new Error('nsenter is missing: scripts/setup-host --tests')
finish('evaluate', await measure())

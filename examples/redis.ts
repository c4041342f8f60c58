/**
 * The whole Redis tutorial: services that start just in time, once for all clients, under names that never change. Run it by `./scripts/quickstart`.
 *
 * The image is built of Debian packages; where a registry can be reached, `docker.io/library/redis:7` works the same
 * (REDIS_IMAGE=docker.io/library/redis:7 ./scripts/quickstart).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect as dial } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect, type Moorage, type ProgressEvent } from '../src/index.ts'

const image = process.env.REDIS_IMAGE ?? 'mmdebstrap:bookworm?packages=redis-server,redis-tools'

/** Debian's Redis refuses clients from elsewhere unless told otherwise; Docker's image is patched to allow them. */
const serverCommand = ['redis-server', '--save', '', '--protected-mode', 'no', '--dir', '/tmp']

function redisService(moorage: Moorage) {
  return moorage.container().from(image).withExposedPort(6379).withExec(serverCommand)
}

function client(moorage: Moorage) {
  return moorage.container().from(image).withServiceBinding('redis-srv', redisService(moorage))
}

/** Runs one task of the tutorial, in another process of this program; its answer goes to stdout. */
async function child(task: string): Promise<void> {
  await using moorage = await connect()
  const redis = redisService(moorage)
  if (task === 'hostname') process.stdout.write(await redis.hostname())
  if (task === 'run-id') {
    const info = await client(moorage)
      .withExec(['redis-cli', '-h', 'redis-srv', 'info', 'server'], { noCache: true })
      .stdout()
    process.stdout.write(/run_id:(\w+)/.exec(info)?.[1] ?? 'none')
  }
}

async function inAnotherProcess(task: string): Promise<string> {
  const other = spawn(process.execPath, [import.meta.filename, task], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(other, 'exit')
  const answer = await text(other.stdout)
  const [code] = await exited
  if (code !== 0) throw new Error(`the process for "${task}" exited with code ${code}`)
  return answer
}

async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const begin = performance.now()
  const value = await work()
  const took = performance.now() - begin
  console.log(`${title.padEnd(66)} ${String(value).trim().padEnd(24)} ${took.toFixed(0).padStart(6)} ms`)
  return value
}

function expect(what: string, found: unknown, wanted: unknown): void {
  if (found !== wanted) throw new Error(`${what}: expected ${String(wanted)}, got ${String(found)}`)
}

/** Prints the progress of the image: the first time it is fetched and unpacked, which takes a while. */
function tellOfImages(event: ProgressEvent): void {
  if (event.kind !== 'image' || event.state !== 'running') return
  console.log(`  ${event.name}: ${event.detail ?? event.state}`)
}

async function tutorial(): Promise<void> {
  await using moorage = await connect({
    onEvent: (event) => event.type === 'progress' && tellOfImages(event),
  })
  const now = new Date().toISOString()
  const redis = redisService(moorage)

  await step('0. the image is here', () =>
    moorage.container().from(image).withExec(['redis-cli', '--version']).stdout(),
  )

  const pong = await step('1. ping a Redis that is bound as redis-srv', () =>
    client(moorage).withExec(['redis-cli', '-h', 'redis-srv', 'ping']).stdout(),
  )
  expect('ping', pong.trim(), 'PONG')

  await step('2. set, in one call', () =>
    client(moorage)
      .withExec(['redis-cli', '-h', 'redis-srv', 'set', 'time', now], { noCache: true })
      .stdout(),
  )
  const kept = await step('   get, in another: Redis lives on for its grace period', () =>
    client(moorage).withExec(['redis-cli', '-h', 'redis-srv', 'get', 'time'], { noCache: true }).stdout(),
  )
  expect('get', kept.trim(), now)

  const chained = await step('3. set and get in one container: no grace period needed', () =>
    client(moorage)
      .withExec(['redis-cli', '-h', 'redis-srv', 'set', 'chained', now], { noCache: true })
      .withExec(['redis-cli', '-h', 'redis-srv', 'get', 'chained'])
      .stdout(),
  )
  expect('chained get', chained.trim(), now)

  const saving = moorage
    .container()
    .from(image)
    .withExposedPort(6379)
    .withMountedCache('/data', moorage.cacheVolume('quickstart-redis'))
    .withExec(['redis-server', '--protected-mode', 'no', '--dir', '/data'])
    .asService()
  const savingClient = moorage.container().from(image).withServiceBinding('redis-srv', saving)
  await step('4. set and save to a cache volume', () =>
    savingClient
      .withExec(['redis-cli', '-h', 'redis-srv', 'set', 'saved', now], { noCache: true })
      .withExec(['redis-cli', '-h', 'redis-srv', 'save'])
      .stdout(),
  )
  await step('   stop that Redis', async () => {
    await saving.stop()
    return 'stopped'
  })
  const saved = await step('   get it from the next run of the service', () =>
    savingClient.withExec(['redis-cli', '-h', 'redis-srv', 'get', 'saved'], { noCache: true }).stdout(),
  )
  expect('saved get', saved.trim(), now)

  const hostname = await step('5. the hostname of the service', () => redis.hostname())
  const others = await step('   asked for by three processes', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => inAnotherProcess('hostname')))
    return answers.every((answer) => answer === hostname) ? 'the same' : answers.join(' ')
  })
  expect('hostnames', others, 'the same')
  await step('   its endpoint, for containers', () => redis.endpoint())
  {
    await using running = await redis.asService().start()
    const endpoint = await step('   its endpoint, for this process on the host', () =>
      running.endpoint({ from: 'host' }),
    )
    const answer = await step('   PING from this process', () => pingFromHere(endpoint))
    expect('ping from the host', answer.trim(), '+PONG')
  }

  const one = await step('6. two clients in two processes at once', async () => {
    const [first, second] = await Promise.all([inAnotherProcess('run-id'), inAnotherProcess('run-id')])
    return first === second && first !== 'none' ? 'one Redis' : `two: ${first} ${second}`
  })
  expect('processes of Redis', one, 'one Redis')
}

async function pingFromHere(endpoint: string): Promise<string> {
  const [host = '', port] = endpoint.split(':')
  const socket = dial(Number(port), host)
  socket.setTimeout(5_000, () => socket.destroy(new Error(`${endpoint} does not answer`)))
  await once(socket, 'connect')
  socket.write('PING\r\n')
  const [answer] = await once(socket, 'data')
  socket.destroy()
  return String(answer)
}

const [task] = process.argv.slice(2)
if (task) await child(task)
else await tutorial()

import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type FakeDaemon, failure, fakeDaemon, until } from './fake-daemon.ts'

const door = new URL('../../src/index.ts', import.meta.url).href

/** Runs a program that has a connection `m` and a container `c`, and does not close them. */
function start(daemon: FakeDaemon, lines: string) {
  const source = `
    import { connect } from '${door}'
    const m = await connect({ host: '${daemon.host}' })
    const c = m.container().from('img')
    ${lines}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  return { child, ended, output: text(child.stdout) }
}

const service = { id: 'a', label: 'a', network: 'default' } as never

function daemonOf(step?: Promise<void>) {
  return fakeDaemon({
    'POST evaluate': async ({ send, end }) => {
      send({ type: 'heartbeat' })
      await step
      end({ type: 'result', value: 'x', exitCode: 0 })
    },
    'POST services': ({ end }) => end({ type: 'result', value: 'a', exitCode: 0, service, lease: 'l' }),
    'POST up': ({ send }) =>
      send({ type: 'result', value: 'a', exitCode: 0, service, ports: [{ host: 1, service: 80 }] }),
    'GET events': ({ send }) =>
      send({ type: 'events', log: 'l', oldest: 1, latest: 0, missed: null }, { type: 'missed', count: 1 }),
    'GET status': ({ refuse }) => refuse(failure('STATE_LOCKED', { pid: 7, directory: '/d' })),
  })
}

const unclosed: Record<string, string> = {
  'does nothing more': '',
  'has its result': `console.log(await c.withExec(['x']).stdout())`,
  'holds a service': `await c.asService().start()`,
  'was refused': `await m.status().catch((error) => console.log(error.code))`,
  'left the events': `for await (const _ of m.events()) break`,
  'has closed its tunnel': `await (await c.asService().up()).close()`,
}

t.test('a program that has nothing left to do ends, though it closed nothing (E03)', async (t) => {
  await using daemon = await daemonOf()
  for (const [what, lines] of Object.entries(unclosed)) {
    const { ended, child } = start(daemon, lines)
    const inTime = await Promise.race([ended, sleep(10_000, 'never', { ref: false })])
    if (inTime === 'never') child.kill('SIGKILL')
    t.equal(inTime, 0, `one that ${what}`)
    await ended
  }
  await until('the daemon sees that all have gone', () => daemon.sessions() === 0)
})

t.test('a daemon that answers in two pieces, some time apart, is waited for', async (t) => {
  await using daemon = await fakeDaemon({
    'POST session': async ({ response, send }) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson', 'moorage-version': '9.9.9' })
      response.flushHeaders()
      await sleep(300)
      send({ type: 'session', id: 's' } as never)
    },
  })
  const { ended, output } = start(daemon, `console.log('connected')`)
  t.equal(await ended, 0)
  t.equal(await output, 'connected\n')
})

t.test('a call that is under way, and an open tunnel, keep it running', async (t) => {
  const step = Promise.withResolvers<void>()
  await using daemon = await daemonOf(step.promise)
  const working = start(daemon, `console.log(await c.withExec(['x']).stdout())`)
  await daemon.was('POST evaluate')
  const serving = start(daemon, `const tunnel = await c.asService().up(); console.log('open')`)
  await daemon.was('POST up')
  await sleep(300)
  t.equal(working.child.exitCode, null)
  t.equal(serving.child.exitCode, null)
  step.resolve()
  t.equal(await working.ended, 0)
  t.equal(await working.output, 'x\n')
  t.equal(serving.child.exitCode, null)
  serving.child.kill()
  await serving.ended
})

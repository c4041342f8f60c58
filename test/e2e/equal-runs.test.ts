import t from 'tap'
import { createTransport } from '../../src/client/index.ts'
import type { RunRow } from '../../src/definition/index.ts'
import { type OwnDaemon, ownDirectories, startDaemon, until } from './own-daemon.ts'
import { ownRootfs } from './own-rootfs.ts'

const image = 'mmdebstrap:bookworm?packages=busybox-static&unpacked'

t.setTimeout(120_000)

/** Tells the run's own number, and waits until `/w/go` is there. */
const tell = 'cat /proc/sys/kernel/random/uuid; while ! test -e /w/go; do usleep 5000; done'

async function running(daemon: OwnDaemon, count: number): Promise<void> {
  const transport = createTransport(daemon.host)
  await until(`${count} runs`, async () => {
    const { runs } = await transport.call<{ runs: RunRow[] }>('GET', '/v1/runs')
    return runs.filter(({ state }) => state === 'running').length === count
  })
}

t.test('each `run` of the command line is a run of its own', async (t) => {
  using directories = ownDirectories()
  await using daemon = await startDaemon(directories)
  t.equal((await daemon.cli('run', '-q', image, 'true')).code, 0, 'the image is there')

  let rounds = 0
  /** Starts equal commands at once, waits until they run, lets them go, and returns what they said. */
  const together = async (commands: readonly string[][], runs: number) => {
    rounds += 1
    const volume = `round${rounds}`
    const mount = ['-v', `${volume}:/w`]
    const outcomes = commands.map((options) =>
      daemon.cli('run', ...options, ...mount, image, 'sh', '-c', tell),
    )
    await running(daemon, runs)
    await daemon.cli('run', '-q', ...mount, image, 'sh', '-c', 'echo > /w/go')
    return Promise.all(outcomes)
  }

  await t.test('two at once (L15)', async (t) => {
    const said = await together([['-q'], ['-q'], ['-q']], 3)
    t.same(
      said.map(({ code }) => code),
      [0, 0, 0],
    )
    t.equal(new Set(said.map(({ stdout }) => stdout)).size, 3)
  })

  await t.test('in two networks (L15b)', async (t) => {
    const said = await together(
      [
        ['-q', '--network', 'na'],
        ['-q', '--network', 'nb'],
      ],
      2,
    )
    t.equal(new Set(said.map(({ stdout }) => stdout)).size, 2)
  })

  await t.test('one that is interrupted ends no other, and each hears of its own run alone', async (t) => {
    const transport = createTransport(daemon.host)
    const gone = new AbortController()
    const definition = (sharing: string, script: string) => ({
      ops: [
        { op: 'image', ref: image },
        { op: 'cacheVolume', name: 'alone' },
        {
          op: 'exec',
          input: 0,
          args: ['sh', '-c', script],
          mounts: [{ type: 'cache', path: '/w', volume: 1, sharing }],
        },
      ],
      root: 2,
    })
    const ask = async (states: string[], signal?: AbortSignal) => {
      const body = { definition: definition('shared', tell), output: 'stdout', own: true }
      const options = signal === undefined ? {} : { signal }
      for await (const event of transport.stream('POST', '/v1/evaluate', body, options)) {
        if (event.type === 'progress' && event.kind === 'exec') states.push(event.state)
        if (event.type === 'result') return event.value
      }
      return undefined
    }
    const states: [string[], string[]] = [[], []]
    const first = ask(states[0], gone.signal)
    const second = ask(states[1])
    await running(daemon, 2)
    gone.abort()
    await t.rejects(first, { code: 'CANCELLED' })
    await running(daemon, 1)
    await daemon.cli('run', '-q', '-v', 'alone:/w', image, 'sh', '-c', 'echo > /w/go')
    t.match(await second, /^[0-9a-f-]{36}\n$/)
    t.same(states[1], ['waiting', 'running', 'done'])
  })

  await t.test('two that lock one volume run one after the other', async (t) => {
    const transport = createTransport(daemon.host)
    const script = 'mkdir /w/lock && sleep 0.3 && rmdir /w/lock'
    const body = {
      definition: {
        ops: [
          { op: 'image', ref: image },
          { op: 'cacheVolume', name: 'locked' },
          {
            op: 'exec',
            input: 0,
            args: ['sh', '-c', script],
            mounts: [{ type: 'cache', path: '/w', volume: 1, sharing: 'locked' }],
          },
        ],
        root: 2,
      },
      output: 'exitCode',
      own: true,
    }
    const ask = async () => {
      for await (const event of transport.stream('POST', '/v1/evaluate', body)) {
        if (event.type === 'result' || event.type === 'error') return event.type
      }
      return undefined
    }
    t.same(await Promise.all([ask(), ask(), ask()]), ['result', 'result', 'result'])
  })

  await t.test('`--cached` accepts a result, `run` without it neither takes nor leaves one', async (t) => {
    const uuid = ['cat', '/proc/sys/kernel/random/uuid']
    const one = await daemon.cli('run', '-q', image, ...uuid)
    const cached = await daemon.cli('run', '-q', '--cached', image, ...uuid)
    t.not(cached.stdout, one.stdout)
    t.equal((await daemon.cli('run', '-q', '--cached', image, ...uuid)).stdout, cached.stdout)
    t.not((await daemon.cli('run', '-q', image, ...uuid)).stdout, cached.stdout)
    t.equal((await daemon.cli('run', '-q', '--cached', image, ...uuid)).stdout, cached.stdout)
  })
})

t.test('calls of the SDK share, with `noCache` those that are concurrent', async (t) => {
  using directories = ownDirectories()
  using rootfs = ownRootfs()
  await using daemon = await startDaemon(directories)
  await using moorage = await daemon.connect()
  const uuid = (options = {}) =>
    moorage
      .container()
      .withRootfs(moorage.host.directory(rootfs.path))
      .withExec(['sh', '-c', 'cat /proc/sys/kernel/random/uuid; sleep 1'], options)
      .stdout()
  const fresh = await Promise.all([uuid({ noCache: true }), uuid({ noCache: true })])
  t.equal(new Set(fresh).size, 1)
  t.not(await uuid({ noCache: true }), fresh[0])
  const shared = await Promise.all([uuid(), uuid()])
  t.equal(new Set(shared).size, 1)
  t.equal(await uuid(), shared[0])
})

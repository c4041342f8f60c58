import { readFileSync } from 'node:fs'
import t from 'tap'
import { capabilitiesOf, defaultCapabilities } from '../../src/runtime/oci/container/capabilities.ts'
import { processLimits, readHardLimits } from '../../src/runtime/oci/container/ulimits.ts'
import { ownRuntime, until } from './own-runtime.ts'

const mebibyte = 1024 ** 2

for (const ociRuntime of ['crun', 'runc']) {
  t.test(`what a container that ${ociRuntime} runs may use`, async (t) => {
    const place = await ownRuntime({ ociRuntime })
    t.teardown(() => place[Symbol.asyncDispose]())
    const run = (script: string, resources: object) => place.run(['sh', '-c', script], { resources })

    await t.test(
      'memory: a kill for lack of it is told as that, a kill by somebody else is not',
      async (t) => {
        // tail keeps all of a line that does not end.
        const greedy = 'head -c 300000000 /dev/zero | tail'
        t.match(await run(greedy, { memory: 32 * mebibyte }), { code: 137, outOfMemory: true })
        t.match(await run(`exec tail -c 300000000 /dev/zero`, { memory: 32 * mebibyte }), {
          code: 137,
          signal: 'SIGKILL',
          outOfMemory: true,
        })
        t.match(await run('head -c 1000000 /dev/zero | tail | wc -c', { memory: 32 * mebibyte }), {
          code: 0,
          stdout: '1000000\n',
        })
        const container = await place.start(['sleep', '1000'], { resources: { memory: 32 * mebibyte } })
        await container.signal('SIGKILL')
        t.strictSame(await container.exited, { code: 137, signal: 'SIGKILL' })
      },
    )

    await t.test('cpus: it gets its part of the time, and no more', async (t) => {
      const container = await place.start(['sh', '-c', 'while :; do :; done'], { resources: { cpus: 0.1 } })
      const used = () => {
        const fields = readFileSync(`/proc/${container.pid}/stat`, 'utf8').split(' ')
        return (Number(fields[13]) + Number(fields[14])) * 10
      }
      await until('it has worked for 50 ms', () => used() >= 50)
      const [from, since] = [used(), performance.now()]
      await until('it has worked for 100 ms more', () => used() >= from + 100)
      const share = (used() - from) / (performance.now() - since)
      t.ok(share < 0.25, `${share.toFixed(2)} of a processor`)
      await container.signal('SIGKILL')
      await container.exited
    })

    await t.test('pids: no more processes than that', async (t) => {
      const { stderr } = await run('for i in 1 2 3 4 5 6 7 8; do sleep 5 & done', { pids: 5 })
      t.match(stderr, /can't fork/)
    })

    await t.test('shmSize, ulimits', async (t) => {
      const { stdout } = await run('df -k /dev/shm | tail -1; ulimit -n; ulimit -c; ulimit -Hc', {
        shmSize: 8 * mebibyte,
        ulimits: { nofile: 64, core: { soft: 0, hard: 1024 * 512 } },
      })
      const [shm, ...limits] = stdout.trim().split('\n')
      t.match(shm, / 8192 /)
      t.strictSame(limits, ['64', '0', '1024'])
    })

    await t.test('a limit that the daemon may not give is cut, and that is told', async (t) => {
      const allowed = readHardLimits().get('nofile') ?? 0
      const asked = Math.min(allowed * 2, Number.MAX_SAFE_INTEGER)
      const container = await place.start(['sh', '-c', 'ulimit -n'], {
        resources: { ulimits: { nofile: asked } },
      })
      t.match(await container.exited, { code: 0 })
      if (asked > allowed)
        t.match(container.notes, [new RegExp(`the limit nofile is ${allowed} instead of ${asked}`)])
    })

    await t.test('capabilities: dropped ones are gone, added ones work', async (t) => {
      t.match(await run('chown 1 /etc/passwd', { capabilities: { drop: ['CHOWN'] } }), {
        code: 1,
        stderr: /not permitted/,
      })
      t.match(await run('grep CapEff /proc/self/status', { capabilities: { drop: ['ALL'] } }), {
        stdout: /CapEff:\t0+\n/,
      })
      t.match(await run('ip link add d0 type dummy', {}), { code: 2 })
      t.match(await run('hostname other && hostname', { capabilities: { add: ['SYS_ADMIN'] } }), {
        stdout: 'other\n',
      })
      t.match(await run('hostname other', {}), { code: 1 })
    })

    await t.test('init: a first process that passes signals on and collects orphans', async (t) => {
      const container = await place.start(
        [
          'sh',
          '-c',
          '(sleep 0.01 &) ; cat /proc/1/comm; sh -c "sleep 0.05; exit"; ps | grep -c "[Z]"; exec sleep 1000',
        ],
        { resources: { init: true } },
      )
      await container.exec({ args: ['sh', '-c', 'until ps | grep -q "[s]leep 1000"; do sleep 0.01; done'] })
      await container.signal('SIGTERM')
      t.match(await container.exited, { code: 143 })
      t.match(await run('cat /proc/1/comm; exit 7', { init: true }), {
        code: 7,
        stdout: '.moorage-init\n',
      })
      t.match(await place.run(['no-such'], { resources: { init: true } }).catch((error) => error), {
        code: 'COMMAND_NOT_FOUND',
      })
    })
    t.strictSame(place.problems, [])
  })
}

t.test('capabilities are the usual ones, without what is dropped, with what is added', async (t) => {
  t.strictSame(capabilitiesOf({}), defaultCapabilities)
  t.notOk(capabilitiesOf({ capabilities: { drop: ['MKNOD'] } }).includes('CAP_MKNOD'))
  t.strictSame(capabilitiesOf({ capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'CHOWN'] } }), [
    'CAP_CHOWN',
    'CAP_NET_ADMIN',
  ])
})

t.test('both limits are cut to what is allowed', async (t) => {
  const allowed = new Map([['nofile', 100]])
  t.strictSame(processLimits({ ulimits: { nofile: { soft: 50, hard: 200 } } }, allowed), {
    rlimits: [{ type: 'RLIMIT_NOFILE', soft: 50, hard: 100 }],
    notes: ['the limit nofile is 100 instead of 200: the daemon itself is allowed no more'],
  })
  t.strictSame(processLimits({}, allowed).rlimits, [{ type: 'RLIMIT_NOFILE', soft: 100, hard: 100 }])
})

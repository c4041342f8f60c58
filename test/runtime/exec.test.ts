import { readdirSync, readFileSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { ownRuntime, runs, until } from './own-runtime.ts'

for (const ociRuntime of ['crun', 'runc']) {
  t.test(`commands in a container that ${ociRuntime} runs`, async (t) => {
    const place = await ownRuntime({ ociRuntime })
    t.teardown(() => place[Symbol.asyncDispose]())
    const container = await place.start(['sh', '-c', 'echo mine > /file; exec sleep 1000'], {
      user: 'worker',
      env: ['NAME=value'],
      workdir: '/home/worker',
      lowers: [place.rootfs],
    })
    const exec = (...args: string[]) => container.exec({ args })

    await t.test('they see what its process sees, and nothing more is allowed them', async (t) => {
      const seen = await exec(
        'sh',
        '-c',
        'id -u; pwd; echo $NAME; hostname; cat /proc/1/comm; grep Seccomp: /proc/self/status',
      )
      t.match(seen, { code: 0, signal: null })
      t.same(seen.output.split('\n').slice(0, -1), [
        '1000',
        '/home/worker',
        'value',
        'berth',
        'sleep',
        'Seccomp:\t2',
      ])
      t.match(await exec('sh', '-c', 'grep CapEff /proc/self/status'), { output: /CapEff:\t0+\n/ })
    })

    await t.test('their exit, the end of their output and their input are their own', async (t) => {
      t.match(await exec('sh', '-c', 'echo out; echo err >&2; exit 7'), { code: 7, output: /out\n|err\n/ })
      t.match(await exec('sh', '-c', 'kill -KILL $$'), { code: 137, signal: 'SIGKILL' })
      t.match(await container.exec({ args: ['cat'], stdin: 'given\n' }), { code: 0, output: 'given\n' })
      const { output } = await exec('sh', '-c', 'yes | head -c 100000; echo end')
      t.equal(output.length, 4_096)
      t.match(output, /end\n$/)
    })

    await t.test('one that cannot be run is told apart from one that fails', async (t) => {
      await t.rejects(exec('no-such-command'), { code: 'COMMAND_NOT_FOUND' })
      await t.rejects(exec('/etc/passwd'), { code: 'COMMAND_NOT_EXECUTABLE' })
    })

    await t.test('one that nobody waits for any more is killed, and the container runs on', async (t) => {
      const cancel = new AbortController()
      const running = container.exec({ args: ['sleep', '4711'] }, { signal: cancel.signal })
      const sleepers = async () => Number((await exec('sh', '-c', 'ps | grep -c "[s]leep 4711"')).output)
      while ((await sleepers()) === 0);
      cancel.abort(new Error('enough'))
      const ended = await running.catch((error) => error)
      t.match(ended, { code: 143, signal: 'SIGTERM' })
      t.equal(await sleepers(), 0)
      t.equal(runs(container.pid), true)
    })

    await t.test(
      'one is over when its first process is, whatever goes on in the background (L01, L01b)',
      async (t) => {
        const began = Date.now()
        t.match(await exec('sh', '-c', 'sleep 20 & echo done'), { code: 0, output: 'done\n' })
        t.match(await exec('sh', '-c', 'yes & sleep 20 & echo done >&2; exit 3'), { code: 3 })
        t.ok(Date.now() - began < 10_000, 'nobody waits for the sleepers')
        t.match(await exec('killall', 'yes', 'sleep'), { code: 0 }, 'which live on')
      },
    )

    await t.test('all that the first process wrote is there, however much the pipe holds', async (t) => {
      const output = 'head -c 900000 /dev/zero | tr "\\0" x; printf %s last'
      t.match(await exec('sh', '-c', `sleep 20 & ${output}`), { code: 0, output: /x{4000}last$/ })
      t.match(await exec('killall', 'sleep'), { code: 0 })
    })

    await t.test('their output goes to pipes, which can be opened by name (F15, F15b)', async (t) => {
      t.match(await exec('sh', '-c', 'echo hi >/dev/stdout'), { code: 0, output: 'hi\n' })
      t.match(await exec('sh', '-c', 'echo oh >/dev/stderr; echo no >>/proc/self/fd/1'), { code: 0 })
      t.match(await exec('sh', '-c', 'test -p /dev/stdout && test -p /dev/stderr'), { code: 0 })
    })

    await t.test('when one is ended, nothing that it started is left (L02)', async (t) => {
      const commands = [
        'sleep 4712 | cat',
        'sleep 4712 & sleep 4712 & wait',
        '(setsid sleep 4712 &) & sleep 4712',
        'trap "" TERM; env -i setsid sh -c "trap \\"\\" TERM; sleep 4712; sleep 4712" & sleep 4712; sleep 4712',
        'while true; do setsid sleep 4712 & usleep 1000; done',
      ]
      for (const command of commands) {
        const cancel = new AbortController()
        const running = container.exec({ args: ['sh', '-c', command] }, { signal: cancel.signal })
        while (hostProcesses('sleep\x004712\0').length === 0) await delay(5)
        cancel.abort(new Error('enough'))
        const ended = await running.catch((error) => error)
        t.not(ended.code, 0, command)
        t.same(hostProcesses('sleep\x004712\0'), [], command)
      }
      t.equal(runs(container.pid), true)
    })

    await t.test('one that is ended may clean up first', async (t) => {
      const cancel = new AbortController()
      const command = 'trap "echo bye; exit 9" TERM; sleep 4713 & wait'
      const running = container.exec({ args: ['sh', '-c', command] }, { signal: cancel.signal })
      while (hostProcesses('sleep\x004713\0').length === 0) await delay(5)
      cancel.abort(new Error('enough'))
      t.match(await running, { code: 9, output: 'bye\n' })
      t.same(hostProcesses('sleep\x004713\0'), [])
    })

    await t.test('its end ends them', async (t) => {
      const running = exec('sleep', '4711')
      const other = exec('sh', '-c', 'while ! ps | grep -q "[s]leep 4711"; do sleep 0.01; done')
      await other
      await container.signal('SIGKILL')
      await container.exited
      t.match(await running, { code: 137 })
      await t.rejects(exec('true'), { code: 'RUNTIME_FAILED' })
    })
    await until('nothing is left of it', () => !runs(container.pid))
    t.same(place.problems, [])
    t.equal(statSync('/dev/null').uid, 0, 'the host’s /dev/null is still root’s')
  })
}

t.test(
  'a container that ends while a command in it begins ends all the same, and so does the command',
  async (t) => {
    const place = await ownRuntime({ ociRuntime: 'crun' })
    t.teardown(() => place[Symbol.asyncDispose]())
    // This waits for nothing: each round begins at another moment of the container's start.
    for (let moment = 0; moment < 40; moment += 2) {
      const container = await place.start(['sh', '-c', 'sleep 60'])
      const cancel = new AbortController()
      const command = container.exec({ args: ['sleep', '50'] }, { signal: cancel.signal })
      const ended = command.catch(() => undefined)
      await delay(moment)
      if (moment % 4 === 0) cancel.abort(new Error('enough'))
      await container.signal('SIGKILL')
      cancel.abort(new Error('enough'))
      t.match(await container.exited, { code: 137 })
      await ended
    }
    t.same(place.problems, [])
  },
)

/** The processes of this host whose command line holds the text. */
function hostProcesses(text: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text)
      } catch {
        return false
      }
    })
}

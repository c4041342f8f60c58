import { statSync } from 'node:fs'
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
      t.match(ended, { code: 137 })
      while ((await sleepers()) > 0);
      t.equal(runs(container.pid), true)
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

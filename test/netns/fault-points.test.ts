/** A process is killed after each step of making and removing; whoever comes next removes what it left. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { faultPoints } from '../../netns/fault-points.ts'
import { createNetwork, recover } from '../../netns/index.ts'
import { ownPlace, type Place, remains } from './support.ts'

/** Everything that has a fault point: two bridges, one removed alone and many together, given up, opened, destroyed. */
const life = ({ runDirectory, instance }: Place) => `
  import { createNetwork, openNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
  const place = { name: 'test', runDirectory: '${runDirectory}' }
  const network = await createNetwork({
    ...place, instance: '${instance}', ipv6: true, isolation: 'bindings', poolSize: 0, portsPerBridge: 6,
  })
  const boxes = await Promise.all(Array.from({ length: 10 }, () => network.createSandbox()))
  await network.grant(boxes[0], boxes[1])
  await boxes.pop().destroy()
  await Promise.all(boxes.map((box) => box.destroy()))
  await network.createSandbox()
  await network.giveUp()
  const again = await openNetwork({ ...place, poolSize: 2 })
  await again.createSandbox()
  await again.destroy()`

async function live(place: Place, fault: string): Promise<{ code: number | null; signal: string | null }> {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', life(place)], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, MOORAGE_NETNS_FAULT: fault },
  })
  const [code, signal] = await once(child, 'exit')
  return { code, signal }
}

t.test('without a fault it lives to its end, and leaves nothing', async (t) => {
  const place = ownPlace(t)
  t.same(await live(place, ''), { code: 0, signal: null })
  t.same(remains(place), [])
})

// Each is a process of its own, which mostly waits for the kernel.
t.setTimeout(300_000)
t.jobs = 3

for (const fault of faultPoints) {
  t.test(`killed at ${fault}`, { buffered: true }, async (t) => {
    const place = ownPlace(t)
    t.same(await live(place, fault), { code: null, signal: 'SIGKILL' }, 'it comes to this point')
    await recover(place)
    t.same(remains(place), [], 'recovery leaves nothing')
    t.same(await recover(place), { removed: [], kept: [] }, 'and a second one finds nothing')
    await using network = await createNetwork({ ...place, name: 'test', poolSize: 0 })
    t.ok(await network.createSandbox(), 'the name is free')
  })
}

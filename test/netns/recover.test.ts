import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { checkHost, recover } from '../../netns/index.ts'
import { listOwners } from '../../netns/ownership/owner-file.ts'
import { ownNetwork, ownPlace, type Place, remains } from './support.ts'

t.setTimeout(180_000)

/** A process that has two networks and five sandboxes, killed when it says so. */
async function crash(
  { runDirectory, instance }: Place,
  options: { instance?: boolean } = {},
): Promise<number> {
  const more = options.instance === false ? '' : `, instance: '${instance}'`
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    for (const name of ['one', 'two']) {
      const network = await createNetwork({ name, runDirectory: '${runDirectory}', poolSize: 3${more} })
      await network.createSandbox()
      await network.createSandbox()
    }
    console.log('ready')`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  return child.pid as number
}

t.test('what a killed process left is found and removed, and nothing else', async (t) => {
  const place = ownPlace(t)
  const other = ownPlace(t)
  await ownNetwork(t, other)
  const pid = await crash(place)
  t.not(remains(place).length, 0, 'something was left')

  const leftovers = (await checkHost(place.runDirectory)).find(({ name }) => name === 'leftovers')
  t.match(leftovers, {
    ok: false,
    detail: new RegExp(`one \\(of process ${pid}\\), two \\(of process ${pid}\\)`),
  })

  const { removed } = await recover(place)
  t.same(removed.filter((what) => !what.startsWith('link')).sort(), [
    `namespace ${place.runDirectory}/netns/one`,
    `namespace ${place.runDirectory}/netns/two`,
    `nft table inet moorage_${place.instance}`,
  ])
  t.same(remains(place), [])
  t.same((await recover(place)).removed, [], 'a second time there is nothing')
  t.not(remains(other).length, 0, 'another instance is left alone')

  const network = await ownNetwork(t, { ...place, name: 'one' })
  await network.createSandbox()
  await network.destroy()
})

t.test('a living process is not robbed', async (t) => {
  const place = ownPlace(t)
  const network = await ownNetwork(t, place)
  const before = remains(place)
  t.same(await recover(place), { removed: [], kept: ['test'] })
  t.same(remains(place), before)
  t.ok(await network.createSandbox())
})

t.test('a dead process’s network makes way for one of the same name, with all of its instance', async (t) => {
  const place = ownPlace(t)
  await crash(place, { instance: false })
  const dead = listOwners(place.runDirectory)
  t.same(dead.map(({ name }) => name).sort(), ['one', 'two'])
  for (const { name, instance } of dead) {
    const derived = { ...place, instance }
    t.not(remains(derived).filter((line) => line.includes(instance)).length, 0)
    const network = await ownNetwork(t, { ...place, name })
    t.same(
      remains(derived).filter((line) => line.includes(instance)),
      [],
    )
    await network.destroy()
  }
  t.same(remains(place), [])
})

t.test('a file that was written by halves is in nobody’s way', async (t) => {
  const place = ownPlace(t)
  const network = await ownNetwork(t, { ...place, name: 'first' })
  writeFileSync(join(place.runDirectory, 'netns', 'test.json'), '{"inst')
  const second = await ownNetwork(t, { ...place, name: 'test' })
  await network.destroy()
  await second.destroy()
  t.same(remains(place), [])
})

t.test('this host passes its own examination', async (t) => {
  const { runDirectory } = ownPlace(t)
  const probes = await checkHost(runDirectory)
  const names = ['privileges', 'network namespaces', 'bridge', 'veth', 'nftables', 'ip_forward', 'way out']
  const around = ['br_netfilter', 'rp_filter', 'subnets', 'resolvers', 'names on the host', 'other instances']
  t.same(
    probes.map(({ name }) => name),
    [...names, ...around, 'leftovers'],
  )
  for (const { name, ok, detail, remedy } of probes) {
    t.ok(ok, `${name}: ${detail}`)
    t.equal(remedy, '')
  }
})

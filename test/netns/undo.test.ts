/** A failure in the middle of making something: what was made by then is taken back. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork, type Network } from '../../netns/index.ts'
import { inside, openFiles, ownNetwork, ownPlace, remains, until } from './support.ts'

t.test('a network whose uplink finds no addresses', async (t) => {
  const place = ownPlace(t)
  const range = { uplinkRange: '169.254.239.254/31' }
  const first = await ownNetwork(t, { ...place, ...range })
  const before = remains(place)
  await t.rejects(createNetwork({ ...place, ...range, name: 'second' }), {
    code: 'NO_UPLINK',
    message: /all 1 address pairs/,
  })
  t.same(remains(place), before)
  t.ok(await first.createSandbox(), 'the other is unharmed')
})

t.test('a network without nft', async (t) => {
  const place = ownPlace(t)
  const program = `
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    process.env.PATH = '/nowhere'
    const options = ${JSON.stringify({ ...place, name: 'test' })}
    await createNetwork(options).catch((error) => console.log(error.code, error.message))`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.match(
    await text(child.stdout),
    /^NFT_FAILED nft cannot be run: .*ENOENT; is nftables installed, and in the PATH\?/,
  )
  t.same(remains(place), [])
})

/** The `nft -i` of a network: the child of ours that is in its namespace. */
function residentOf(network: Network): number {
  const id = inside(network.namespace, 'readlink', '/proc/self/ns/net').trim()
  const children = readdirSync('/proc/self/task').flatMap((task) =>
    readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  const found = children.find((pid) => {
    const same = inside(network.namespace, 'readlink', `/proc/${pid}/ns/net`).trim() === id
    return same && readFileSync(`/proc/${pid}/comm`, 'utf8') === 'nft\n'
  })
  if (found === undefined) throw new Error('no nft is there')
  return Number(found)
}

t.test('a sandbox whose firewall is gone', async (t) => {
  const network = await ownNetwork(t, { subnet: '10.199.0.0/30' })
  await (await network.createSandbox()).destroy()
  const links = () => inside(network.namespace, 'ip', '-o', 'link').split('\n').length
  await until('the first has gone', () => links() === 4)
  const files = openFiles()

  const rules = inside(network.namespace, 'nft', 'list', 'table', 'bridge', 'moorage')
  inside(network.namespace, 'nft', 'delete', 'table', 'bridge', 'moorage')
  await t.rejects(network.createSandbox(), {
    code: 'NFT_FAILED',
    message: /nft refused "add element bridge moorage leases .*No such file or directory/s,
  })
  t.equal(openFiles(), files)
  t.equal(network.sandboxes, 0)
  t.notMatch(inside(network.namespace, 'ip', 'route'), '10.199.0.2')
  t.notMatch(inside(network.namespace, 'ip', 'neigh'), '10.199.0.2')
  await until('its link has gone', () => links() === 4)

  const restore = spawn('nsenter', [`--net=${network.namespace}`, 'nft', '-f', '-'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  restore.stdin.end(rules)
  await once(restore, 'exit')
  t.equal((await network.createSandbox()).address, '10.199.0.2', 'the only address is free again')
})

t.test('a sandbox whose nft is killed; the next change starts another', async (t) => {
  const network = await ownNetwork(t)
  const box = await network.createSandbox()
  const resident = residentOf(network)
  process.kill(resident, 'SIGSTOP')
  const told = t.rejects(network.createSandbox(), {
    code: 'NFT_FAILED',
    message: /nft was lost during "add element .*": it ended with SIGKILL/,
  })
  await until('its link is there', () => inside(network.namespace, 'ip', 'link').includes('s1@'))
  process.kill(resident, 'SIGKILL')
  await told
  t.equal(network.sandboxes, 1)
  await network.createSandbox()
  t.not(residentOf(network), resident)
  await box.destroy()
  t.equal(
    inside(network.namespace, 'nft', 'list', 'set', 'bridge', 'moorage', 'leases').match(/"s\d+"/g)?.length,
    1,
  )
})

t.test('a network that somebody took apart can still be destroyed', async (t) => {
  const place = ownPlace(t)
  const network = await ownNetwork(t, { ...place, name: 'test', poolSize: 2 })
  await network.createSandbox()
  inside(network.namespace, 'ip', 'link', 'del', 'up0')
  inside(network.namespace, 'nft', 'flush', 'ruleset')
  await network.destroy()
  t.same(remains(place), [])
})

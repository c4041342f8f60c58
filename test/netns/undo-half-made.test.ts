/** A failure in the middle of making something: what was made by then is taken back. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createNetwork } from '../../netns/index.ts'
import { removeTree } from '../remove-tree.ts'
import { inside, ownNetwork, ownPlace, remains, run } from './support.ts'

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

t.test('a sandbox whose firewall is gone, with an nft that fails', async (t) => {
  const place = ownPlace(t)
  const directory = mkdtempSync(join(tmpdir(), 'netns-nft-'))
  t.teardown(() => removeTree(directory))
  // Stands before the real one until a file says that it is broken.
  const [flag, fake] = [join(directory, 'broken'), join(directory, 'nft')]
  writeFileSync(
    fake,
    `#!/bin/sh\n[ -e ${flag} ] && { echo is broken >&2; exit 1; }\nexec ${run('which', 'nft').trim()} "$@"\n`,
  )
  chmodSync(fake, 0o755)
  const program = `
    import { execFileSync } from 'node:child_process'
    import { readdirSync, rmSync, writeFileSync } from 'node:fs'
    import { createNetwork } from ${JSON.stringify(import.meta.resolve('../../netns/index.ts'))}
    const options = ${JSON.stringify({ ...place, name: 'test', poolSize: 0, subnet: '10.199.0.0/30' })}
    const network = await createNetwork(options)
    const inside = (...args) => execFileSync('nsenter', ['--net=' + network.namespace, ...args], { encoding: 'utf8' })
    const files = () => readdirSync('/proc/self/fd').length
    await (await network.createSandbox()).destroy()
    const before = files()
    writeFileSync('${flag}', '')
    inside(${JSON.stringify(run('which', 'nft').trim())}, 'flush', 'ruleset')
    await network.createSandbox().catch((error) => console.log(error.code, error.message))
    // Pipes to nft are closed on a later turn.
    for (const end = performance.now() + 5000; files() > before && performance.now() < end; )
      await new Promise((resolve) => setImmediate(resolve))
    console.log(files() - before, network.sandboxes, inside('ip', 'route').includes('10.199.0.2'), inside('ip', 'neigh').includes('10.199.0.2'))
    console.log(network.problems.map(({ kind, message }) => kind + ': ' + message).join())
    rmSync('${flag}')
    const box = await network.createSandbox()
    console.log(box.address, network.problems.length)
    await network.destroy()`
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, PATH: `${directory}:${process.env.PATH}` },
  })
  const lines = (await text(child.stdout)).split('\n')
  t.equal(lines[0], 'NFT_FAILED nft refused: is broken')
  t.equal(lines[1], '0 0 false false', 'neither descriptors nor routes are left, and no sandbox counts')
  t.match(
    lines[2],
    /^firewall: the rules of the network were changed by .* and could not be put back: nft refused/,
  )
  t.equal(lines[3], '10.199.0.2 0', 'the only address is free again, and all is well')
  t.same(remains(place), [])
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

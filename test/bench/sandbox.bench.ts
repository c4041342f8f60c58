/**
 * A sandbox: namespace, veth pair, isolated bridge port, address, routes, entry in the firewall; made and removed
 * again, without a pool. Beside the same by iproute2 and nft, in as few processes as they take (`ip -batch`).
 *
 * Usage: scripts/bench sandbox [--json]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNetwork, type Sandbox } from '../../netns/index.ts'
import { type Contender, finish, type Row, report, takeTurns } from './frame.ts'

const rounds = 60

async function ours(): Promise<Contender & AsyncDisposable> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'bench-sandbox-'))
  const network = await createNetwork({ name: 'bench', runDirectory, poolSize: 0 })
  return {
    name: 'moorage',
    async run() {
      const begin = performance.now()
      const box: Sandbox = await network.createSandbox()
      const made = performance.now()
      await box.destroy()
      return { create: made - begin, destroy: performance.now() - made }
    },
    async [Symbol.asyncDispose]() {
      await network.destroy()
      rmSync(runDirectory, { recursive: true, force: true })
    },
  }
}

const command = (name: string, args: readonly string[], input = '') =>
  execFileSync(name, args, { input, stdio: ['pipe', 'ignore', 'inherit'] })

function peer(): Contender & Disposable {
  const network = `bench${process.pid}`
  const inNetwork = (...args: string[]) => command('nsenter', [`--net=/run/netns/${network}`, ...args])
  command('ip', ['netns', 'add', network])
  command('ip', ['-n', network, '-batch', '-'], 'link add br0 type bridge\nlink set br0 up\n')
  inNetwork('nft', 'add table bridge b; add set bridge b leases { type ifname . ipv4_addr . ether_addr; }')
  return {
    name: 'ip and nft',
    async run(turn) {
      const [box, link] = [`${network}-${turn}`, `v${turn}`]
      const element = `element bridge b leases { "${link}" . 10.1.0.2 . 02:00:00:00:00:02 }`
      const begin = performance.now()
      command('ip', ['netns', 'add', box])
      command(
        'ip',
        ['-n', network, '-batch', '-'],
        `link add ${link} type veth peer name eth0 address 02:00:00:00:00:02 netns ${box}
         link set ${link} master br0 up
         route replace 10.1.0.2/32 dev br0\n`,
      )
      inNetwork('bridge', 'link', 'set', 'dev', link, 'isolated', 'on')
      command(
        'ip',
        ['-n', box, '-batch', '-'],
        `link set lo up
         addr add 10.1.0.2/32 dev eth0
         link set eth0 up
         route add 10.1.0.1/32 dev eth0
         route add default via 10.1.0.1\n`,
      )
      inNetwork('nft', `add ${element}`)
      const made = performance.now()
      inNetwork('nft', `delete ${element}`)
      command('ip', ['netns', 'del', box])
      return { create: made - begin, destroy: performance.now() - made }
    },
    [Symbol.dispose]: () => command('ip', ['netns', 'del', network]),
  }
}

async function measure(): Promise<Row[]> {
  await using moorage = await ours()
  using iproute2 = peer()
  console.log(`host: Linux ${release()}, ${cpus().length} processors, Node ${process.version}`)
  const contenders = [moorage, iproute2] as const
  return report('one sandbox', contenders, await takeTurns(contenders, { rounds, warmup: 5, idle: 0 }))
}

finish('sandbox', await measure())

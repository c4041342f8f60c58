/**
 * TCP between two sandboxes, through the bridge, its firewall and conntrack, beside two namespaces on a plain bridge
 * made by hand, without any rule. iperf3, five interleaved pairs, each way in turn first.
 *
 * Usage: scripts/bench throughput [--json]
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNetwork } from '../../netns/index.ts'
import { removeTree } from '../remove-tree.ts'
import { type Contender, finish, median, quantile, type Row, takeTurns } from './frame.ts'

const rounds = 5
const seconds = 3

/** Gbit/s from one namespace to an address in another. */
async function iperf(client: string, server: string, address: string): Promise<number> {
  const listening = spawn('nsenter', [`--net=${server}`, 'iperf3', '-s', '-1', '--forceflush'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(listening.stdout, 'data')
  const exit = once(listening, 'exit')
  const program = spawn(
    'nsenter',
    [`--net=${client}`, 'iperf3', '-J', '-t', String(seconds), '-c', address],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  let said = ''
  for await (const chunk of program.stdout) said += chunk
  await exit
  return JSON.parse(said).end.sum_received.bits_per_second / 1e9
}

async function ours(isolation: 'network' | 'bindings'): Promise<Contender & AsyncDisposable> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'bench-throughput-'))
  const network = await createNetwork({ name: 'bench', runDirectory, poolSize: 0, isolation })
  const [server, client] = [await network.createSandbox(), await network.createSandbox()]
  await network.grant(client, server)
  return {
    name: `moorage, isolation ${isolation}`,
    run: async () => ({ throughput: await iperf(client.namespace, server.namespace, server.address) }),
    async [Symbol.asyncDispose]() {
      await network.destroy()
      removeTree(runDirectory)
    },
  }
}

function byHand(): Contender & Disposable {
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const [bridge, ...boxes] = ['b', '1', '2'].map((name) => `bench${process.pid}${name}`) as [
    string,
    string,
    string,
  ]
  const mtu =
    /mtu (\d+)/.exec(execFileSync('ip', ['link', 'show', wayOut()], { encoding: 'utf8' }))?.[1] ?? '1500'
  ip('netns', 'add', bridge)
  ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge')
  ip('-n', bridge, 'link', 'set', 'br0', 'up', 'mtu', mtu)
  for (const [index, box] of boxes.entries()) {
    ip('netns', 'add', box)
    ip(
      '-n',
      bridge,
      'link',
      'add',
      `v${index}`,
      'mtu',
      mtu,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'mtu',
      mtu,
      'netns',
      box,
    )
    ip('-n', bridge, 'link', 'set', `v${index}`, 'master', 'br0', 'up')
    ip('-n', box, 'addr', 'add', `10.1.0.${index + 2}/24`, 'dev', 'eth0')
    ip('-n', box, 'link', 'set', 'eth0', 'up')
  }
  const path = (box: string) => `/run/netns/${box}`
  return {
    name: 'a plain bridge by hand',
    run: async () => ({ throughput: await iperf(path(boxes[1]), path(boxes[0]), '10.1.0.2') }),
    [Symbol.dispose]() {
      for (const name of [...boxes, bridge]) ip('netns', 'del', name)
    },
  }
}

const wayOut = () =>
  /dev (\S+)/.exec(execFileSync('ip', ['route', 'show', 'default'], { encoding: 'utf8' }))?.[1] ?? 'lo'

async function measure(isolation: 'network' | 'bindings'): Promise<Row> {
  await using moorage = await ours(isolation)
  using peer = byHand()
  const [mine, others] = await takeTurns([moorage, peer], { rounds, warmup: 1, idle: 100 })
  const rounded = (value: number) => Math.round(value * 100) / 100
  const line = (name: string, samples: readonly number[] = []) =>
    console.log(
      `  ${name.padEnd(34)}${[0.5, 0, 1].map((share) => quantile(samples, share).toFixed(2).padStart(8)).join('')}`,
    )
  console.log(
    `\nTCP, one connection               median     min     max  Gbit/s (${rounds} pairs of ${seconds} s)`,
  )
  line(moorage.name, mine.throughput)
  line(peer.name, others.throughput)
  const [own, theirs] = [median(mine.throughput ?? []), median(others.throughput ?? [])]
  console.log(`  ${rounded(own / theirs)} of a plain bridge`)
  return {
    metric: `throughput between two sandboxes, isolation ${isolation}`,
    unit: 'Gbit/s',
    ours: rounded(own),
    peer: rounded(theirs),
    peerName: peer.name,
    ratio: rounded(own / theirs),
  }
}

const version = execFileSync('iperf3', ['--version'], { encoding: 'utf8' }).split('\n')[0]
console.log(`host: Linux ${release()}, ${cpus().length} processors, Node ${process.version}, ${version}`)
finish('throughput', [await measure('network'), await measure('bindings')])

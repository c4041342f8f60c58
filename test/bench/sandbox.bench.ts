/**
 * A sandbox: namespace, veth pair, isolated bridge port, address, routes, entry in the firewall. Made and removed
 * beside iproute2 and netavark; taken from the pool; one more where thousands are, beside bare system calls; and what
 * a DNS client notices of the destruction of a thousand. Takes about two minutes.
 *
 * Usage: scripts/bench sandbox [--json]
 */
import { mkdtempSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createNetwork, type Network, type NetworkOptions } from '../../netns/index.ts'
import { removeTree } from '../remove-tree.ts'
import { type Contender, finish, median, quantile, type Row, report, rest, takeTurns } from './frame.ts'
import { askWhile } from './sandbox-dns.ts'
import { iproute2, netavark } from './sandbox-peers.ts'
import { bare, memoryAvailable, oneMore, populate, withCpu } from './sandbox-scale.ts'

const many = 4000

async function ownNetwork(options: Partial<NetworkOptions> = {}): Promise<Network & AsyncDisposable> {
  const runDirectory = mkdtempSync(join(tmpdir(), 'bench-sandbox-'))
  const network = await createNetwork({ name: 'bench', runDirectory, poolSize: 0, ...options })
  const destroy = network.destroy
  network.destroy = async () => {
    await destroy()
    removeTree(runDirectory)
  }
  network[Symbol.asyncDispose] = network.destroy
  return network
}

/** Against a bound instead of a peer: less is better. */
function bound(metric: string, unit: string, ours: number, limit: number): Row {
  const ratio = Math.round((limit / ours) * 100) / 100
  console.log(
    `  ${metric.padEnd(60)} ${ours} ${unit}, bound ${limit}: ${ours <= limit ? 'kept' : 'NOT KEPT'}`,
  )
  return { metric, unit, ours, peer: limit, peerName: 'bound', ratio }
}

async function besideOthers(): Promise<Row[]> {
  await using network = await ownNetwork()
  const rows: Row[] = []
  for (const [make, rounds] of [
    [iproute2, 40],
    [netavark, 30],
  ] as const) {
    using peer = make()
    const contenders: [Contender, Contender] = [oneMore(network), peer]
    rows.push(
      ...report('one sandbox', contenders, await takeTurns(contenders, { rounds, warmup: 4, idle: 0 })),
    )
  }
  return rows
}

async function fromPool(): Promise<Row[]> {
  const size = 60
  await using network = await ownNetwork({ poolSize: size })
  const took: number[] = []
  for (let round = 0; round < 3; round++) {
    while (network.pooled < size) await rest(10)
    for (let count = 0; count < 20; count++) {
      const begin = performance.now()
      await network.createSandbox()
      took.push(performance.now() - begin)
    }
  }
  console.log('\ntaken from the pool')
  return [
    bound('taken from the pool, median', 'µs', Math.round(median(took) * 1000), 100),
    bound('taken from the pool, p90', 'µs', Math.round(quantile(took, 0.9) * 1000), 100),
  ]
}

async function withMany(): Promise<Row[]> {
  await using network = await ownNetwork()
  const before = memoryAvailable()
  const ownBefore = process.memoryUsage().rss
  const begin = performance.now()
  const boxes = await populate(network, many)
  const took = performance.now() - begin
  const memory = (before - memoryAvailable()) / many / 1024
  const own = (process.memoryUsage().rss - ownBefore) / many / 1024
  console.log(
    `\n${many} sandboxes made in ${(took / 1000).toFixed(1)} s, ${(took / many).toFixed(2)} ms each`,
  )
  console.log(`memory per sandbox: ${Math.round(memory)} KiB, ${Math.round(own)} KiB of them in this process`)
  using peer = bare(network)
  const contenders: [Contender, Contender] = [withCpu(oneMore(network)), withCpu(peer)]
  const samples = await takeTurns(contenders, { rounds: 30, warmup: 3, idle: 20 })
  const rows = report(`one more beside ${many}`, contenders, samples)
  const [box, ...others] = boxes
  if (box === undefined) throw new Error('no sandbox')
  const doomed = others.slice(0, 1000)
  const idle = await askWhile(network, box, () => rest(2000))
  const waits = await askWhile(network, box, async () => {
    const start = performance.now()
    await Promise.all(doomed.map((one) => one.destroy()))
    console.log(`\n${doomed.length} sandboxes destroyed in ${Math.round(performance.now() - start)} ms`)
  })
  console.log(
    `DNS meanwhile: ${waits.took.length} answers, ${waits.lost} lost, max ${Math.max(...waits.took).toFixed(1)} ms`,
  )
  console.log(`  and with nothing else to do, p99: ${quantile(idle.took, 0.99).toFixed(2)} ms`)
  rows.push(
    bound('DNS while 1000 are destroyed, p99', 'ms', Math.round(quantile(waits.took, 0.99) * 100) / 100, 20),
  )
  rows.push({
    metric: 'memory per sandbox',
    unit: 'KiB',
    ours: Math.round(memory),
    peer: 330,
    peerName: 'the same by ip -batch (notes/performance.md)',
    ratio: Math.round((330 / memory) * 100) / 100,
  })
  await Promise.all(others.slice(1000).map((one) => one.destroy()))
  return rows
}

console.log(`host: Linux ${release()}, ${cpus().length} processors, Node ${process.version}`)
finish('sandbox', [...(await besideOthers()), ...(await fromPool()), ...(await withMany())])

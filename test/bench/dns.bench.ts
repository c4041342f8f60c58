/**
 * Our DNS server beside dnsmasq, Knot and aardvark-dns: 10,000 names, a view of 10 aliases for each of 200 clients (the
 * others, which have no views, know the aliases as names), one question in eleven for an alias. Each server in a process
 * of its own, all of them and dnsperf in a network namespace of this benchmark's own; they take turns.
 *
 * Usage: scripts/bench dns [--json]
 */
import { cpus, release } from 'node:os'
import { changes, sizes } from './dns-changes.ts'
import { fullLoad, pacedLoad } from './dns-load.ts'
import { writeQuestions } from './dns-names.ts'
import { openPlace, type Place } from './dns-place.ts'
import {
  type DnsProcess,
  startAardvark,
  startDnsmasq,
  startEcho,
  startKnot,
  startOwn,
  versions,
} from './dns-servers.ts'
import { finish, median, quantile, type Row, rounded, type Samples, takeTurns } from './frame.ts'

const rounds = 9
/** Seconds of each turn. */
const loadTime = 2
const paceTime = 1.5

async function measure(): Promise<Row[]> {
  await using place = openPlace()
  console.log(`host: Linux ${release()}, ${cpus().length} processors, Node ${process.version}`)
  console.log(`peers: ${await versions(place)}`)
  const batched = await startOwn(place, 'batched', 5301)
  const plain = await startOwn(place, 'plain', 5302)
  const dnsmasq = await startDnsmasq(place, 5303)
  const knot = await startKnot(place, 5304)
  const aardvark = await startAardvark(place, 5305)
  const each = await startEcho(place, 'each', 5306)
  const together = await startEcho(place, 'together', 5307)
  const rows = await underLoad(place, { batched, plain, dnsmasq, knot, aardvark, each, together })
  const best = rows.find(({ metric }) => metric === 'queries per second, batched')?.peer ?? 0
  rows.push(...(await paced(place, [batched, dnsmasq, knot, plain], Math.round(best / 2))))
  rows.push(...(await costOfChanges()))
  return rows
}

async function underLoad(
  place: Place,
  servers: Record<'batched' | 'plain' | 'dnsmasq' | 'knot' | 'aardvark' | 'each' | 'together', DnsProcess>,
): Promise<Row[]> {
  const questions = writeQuestions(place.directory)
  const contender = (server: DnsProcess, seconds = loadTime) => ({
    name: server.name,
    run: (turn: number) => fullLoad(place, server, questions, turn, seconds),
  })
  const contenders = [
    contender(servers.batched),
    contender(servers.knot),
    contender(servers.dnsmasq),
    contender(servers.plain),
    contender(servers.aardvark, 1),
    contender(servers.together, 1),
    contender(servers.each, 1),
  ] as const
  const samples = await takeTurns(contenders, { rounds, warmup: 1, idle: 0 })
  console.log(`\nall that dnsperf can ask, ${rounds} rounds: median (min to max)`)
  for (const [index, { name }] of contenders.entries()) print(name, samples[index] as Samples)
  const [batched, knot, dnsmasq, plain, aardvark, together] = samples
  const more = (metric: string, ours: Samples, peerName: string, peer: Samples, target?: number) =>
    row(`queries per second, ${metric}`, 'q/s', ours['q/s'], peerName, peer['q/s'], target)
  const less = (
    what: 'cpu' | 'memory' | 'lost',
    ours: Samples,
    peerName: string,
    peer: Samples,
    target?: number,
  ) =>
    row(
      `${what}, batched`,
      { cpu: 'µs/q', memory: 'MB', lost: 'queries' }[what],
      ours[what],
      peerName,
      peer[what],
      target,
    )
  return [
    more('batched', batched, 'dnsmasq', dnsmasq, 1),
    more('batched', batched, 'Knot', knot, 0.9),
    less('cpu', batched, 'Knot', knot, 1 / 1.1),
    less('cpu', batched, 'dnsmasq', dnsmasq),
    more('plain', plain, 'dnsmasq', dnsmasq, 0.8),
    more('plain', plain, 'bare echo', together),
    more('batched', batched, 'aardvark-dns', aardvark),
    less('memory', batched, 'dnsmasq', dnsmasq),
    lost('batched', batched, dnsmasq),
    lost('plain', plain, dnsmasq),
  ]
}

async function paced(place: Place, servers: readonly DnsProcess[], rate: number): Promise<Row[]> {
  const contenders = servers.map((server) => ({
    name: server.name,
    run: (turn: number) => pacedLoad(place, server, turn, rate, paceTime),
  }))
  const samples = await takeTurns(contenders, { rounds, warmup: 1, idle: 0 })
  console.log(`\n${rate} queries a second, half of dnsmasq’s best, ${rounds} rounds: median (min to max), µs`)
  for (const [index, { name }] of contenders.entries()) print(name, samples[index] as Samples)
  const [batched = {}, dnsmasq = {}] = samples
  const latency = (share: string, target?: number) =>
    row(`${share} at half load, batched`, 'µs', batched[share], 'dnsmasq', dnsmasq[share], target)
  return [
    latency('p50'),
    latency('p99', 1 / 1.25),
    latency('p99.9'),
    lost('batched at half load', batched, dnsmasq),
  ]
}

/** No peer: they reload. What is compared is the largest zone with the smallest. */
async function costOfChanges(): Promise<Row[]> {
  console.log('\none change, µs of processor time, median (p90) of groups of 200')
  const found = new Map<number, Record<string, number[]>>()
  for (const size of sizes) {
    const result = await changes(size)
    found.set(size, result)
    const columns = Object.entries(result).map(
      ([what, all]) => `${what} ${median(all).toFixed(1)} (${quantile(all, 0.9).toFixed(1)})`,
    )
    console.log(`  ${String(size).padStart(7)} names: ${columns.join(', ')}`)
  }
  return ['set', 'add', 'view'].map((what) =>
    row(`${what}, 100,000 names`, 'µs', found.get(sizes[2])?.[what], '10 names', found.get(sizes[0])?.[what]),
  )
}

const figures = { 'q/s': 0, cpu: 2, lost: 0, memory: 0, p50: 0, p99: 0, 'p99.9': 0 } as const

function print(name: string, samples: Samples): void {
  const columns = Object.entries(samples).map(([metric, values]) => {
    const digits = figures[metric as keyof typeof figures] ?? 1
    const [low, high] = [Math.min(...values), Math.max(...values)].map((value) => value.toFixed(digits))
    return `${metric} ${median(values).toFixed(digits)} (${low} to ${high})`
  })
  console.log(`  ${name.padEnd(18)}${columns.join('  ')}`)
}

/** For queries per second more is better, for all else less. */
function row(
  metric: string,
  unit: string,
  ours: readonly number[] = [],
  peerName: string,
  peer: readonly number[] = [],
  target?: number,
): Row {
  const [own, other] = [median(ours), median(peer)]
  return {
    metric,
    unit,
    ours: rounded(own),
    peer: rounded(other),
    peerName,
    ratio: rounded(unit === 'q/s' ? own / other : other / own),
    ...(target === undefined ? {} : { target: rounded(target) }),
  }
}

function lost(whose: string, ours: Samples, peer: Samples): Row {
  const sum = (samples: Samples) => (samples.lost ?? []).reduce((total, count) => total + count, 0)
  const [own, other] = [sum(ours), sum(peer)]
  return {
    metric: `lost, ${whose}`,
    unit: 'queries',
    ours: own,
    peer: other,
    peerName: 'dnsmasq',
    ratio: own === 0 ? 1 : 0,
    target: 1,
  }
}

const rows = await measure()
console.log('\nratios (above 1: ours is better)')
for (const { metric, unit, ours, peer, peerName, ratio, target } of rows) {
  const wanted = target === undefined ? '' : `  wanted ${target}: ${ratio >= target ? 'met' : 'MISSED'}`
  console.log(`  ${metric.padEnd(34)}${ours} ${unit} beside ${peer} of ${peerName}: ${ratio}${wanted}`)
}
finish('dns', rows)

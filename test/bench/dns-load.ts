import { join } from 'node:path'
import { clientOf } from './dns-names.ts'
import { type Place, processorTime, residentMemory } from './dns-place.ts'
import type { DnsProcess } from './dns-servers.ts'

/** As much as dnsperf can ask, from eight sockets and one address: another one in each turn. */
export async function fullLoad(
  place: Place,
  { pid, port }: DnsProcess,
  questions: string,
  turn: number,
  seconds: number,
): Promise<Record<'q/s' | 'cpu' | 'lost' | 'memory', number>> {
  const before = processorTime(pid)
  const told = await place.run(
    'dnsperf',
    ...['-s', '127.0.0.1', '-p', String(port), '-a', clientOf(turn)],
    ...['-d', questions, '-l', String(seconds), '-c', '8', '-T', '1'],
  )
  const spent = processorTime(pid) - before
  const number = (what: RegExp) => Number(what.exec(told)?.[1] ?? Number.NaN)
  const completed = number(/Queries completed: +(\d+)/)
  const good = number(/NOERROR (\d+)/)
  if (!(good === completed)) throw new Error(`dnsperf had other answers than NOERROR:\n${told}`)
  return {
    'q/s': number(/Queries per second: +([\d.]+)/),
    cpu: (spent * 1000) / completed,
    lost: number(/Queries lost: +(\d+)/),
    memory: residentMemory(pid),
  }
}

/** So many queries a second, each recorded; microseconds from when it was to be sent. */
export async function pacedLoad(
  place: Place,
  { pid, port }: DnsProcess,
  turn: number,
  rate: number,
  seconds: number,
): Promise<Record<string, number>> {
  const before = processorTime(pid)
  const pacer = join(import.meta.dirname, 'dns-pacer.ts')
  const told = await place.run(
    process.execPath,
    ...[pacer, String(port), clientOf(turn), String(rate), String(seconds)],
  )
  const { sent, ...latency } = JSON.parse(told) as Record<string, number>
  return { ...latency, cpu: ((processorTime(pid) - before) * 1000) / (sent ?? Number.NaN) }
}

import { createDnsServer } from '../../dns/index.ts'
import { zone } from './dns-names.ts'

/** Sizes of the zone in which a change is made. */
export const sizes = [10, 1000, 100_000] as const
const warmup = 20_000
const groups = 100
const groupSize = 200

const addressOf = (number: number) => `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`

/** Microseconds of processor time of this thread. */
function processorTime(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

/**
 * Microseconds of processor time for one change, by group: what the garbage costs that it makes is in it, what others do
 * on the machine meanwhile is not.
 */
export async function changes(names: number): Promise<{ set: number[]; add: number[]; view: number[] }> {
  await using dns = await createDnsServer({ zones: [zone], reverse: ['10.0.0.0/8'] })
  const own = dns.zone(zone)
  dns.update((tx) => {
    for (let index = 0; index < names; index++) tx.zone(zone).set(`host-${index}`, [addressOf(index)])
  })
  const measure = (change: (count: number) => void, perCall: number): number[] => {
    for (let count = 0; count < warmup; count++) change(count)
    return Array.from({ length: groups }, (_, group) => {
      const begin = processorTime()
      for (let count = 0; count < groupSize; count++) change(group * groupSize + count)
      return (processorTime() - begin) / groupSize / perCall
    })
  }
  const aliases = Object.fromEntries(
    Array.from({ length: 10 }, (_, alias) => [`alias-${alias}.example`, `host-${alias}`]),
  )
  return {
    set: measure((count) => own.set(`host-${(count * 7919) % names}`, [addressOf(0x800000 + count)]), 1),
    add: measure((count) => {
      own.set(`new-${count}`, [addressOf(0x900000 + count)])
      own.delete(`new-${count}`)
    }, 2),
    view: measure((count) => dns.views.set(addressOf(0xa00000 + (count % 200)), aliases), 1),
  }
}

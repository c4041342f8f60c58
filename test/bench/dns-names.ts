import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What all servers of the DNS benchmark know, and what they are asked. */
export const zone = 'bench.internal'
const names = 10_000
/** Clients with a view each, of aliases for names of the zone. The others know the aliases as plain names. */
const clients = 200
const aliasesEach = 10
/** Of so many questions, one is for an alias. */
const aliasEvery = 10

export const clientOf = (turn: number) => `127.0.1.${1 + (turn % clients)}`

const hosts = Array.from({ length: names }, (_, index) => ({
  name: `host-${index}`,
  address: `10.1.${index >> 8}.${index & 255}`,
}))
const aliases = Array.from({ length: aliasesEach }, (_, index) => `alias-${index}`)

/** The zone's names with their addresses, without the aliases. */
export const records: readonly (readonly [name: string, address: string])[] = hosts.map(
  ({ name, address }) => [name, address],
)

/** Each client's aliases stand for other names than its neighbour's. */
export function views(): [client: string, aliases: Record<string, string>][] {
  return Array.from({ length: clients }, (_, client) => [
    clientOf(client),
    Object.fromEntries(
      aliases.map((alias, index) => [`${alias}.${zone}`, `host-${(client * aliasesEach + index) % names}`]),
    ),
  ])
}

/** Names and aliases alike, for those who have no views. */
const flat = [...records, ...aliases.map((alias, index) => [alias, `10.2.0.${index}`] as const)]

/** Every name once, in no order, and aliases among them: the same order each time. */
export function questions(): string[] {
  const all = hosts.map(({ name }) => `${name}.${zone}`)
  let random = 1
  for (let index = all.length - 1; index > 0; index--) {
    random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0
    const other = random % (index + 1)
    const kept = all[index] as string
    all[index] = all[other] as string
    all[other] = kept
  }
  return all.flatMap((name, index) =>
    index % aliasEvery === 0 ? [name, `${aliases[(index / aliasEvery) % aliasesEach]}.${zone}`] : [name],
  )
}

/** What dnsperf reads. */
export function writeQuestions(directory: string): string {
  const file = join(directory, 'questions')
  writeFileSync(
    file,
    questions()
      .map((name) => `${name} A\n`)
      .join(''),
  )
  return file
}

/** What dnsmasq reads. */
export function writeHosts(directory: string): string {
  const file = join(directory, 'hosts')
  writeFileSync(file, flat.map(([name, address]) => `${address} ${name}.${zone}\n`).join(''))
  return file
}

/** What Knot reads. */
export function writeZone(directory: string): string {
  const file = join(directory, 'zone')
  const head = `$TTL 0\n@ SOA ns hostmaster 1 3600 600 86400 0\n@ NS ns\nns A 127.0.0.1\n`
  writeFileSync(file, head + flat.map(([name, address]) => `${name} A ${address}\n`).join(''))
  return file
}

/** What aardvark-dns reads: a network, where it listens, and containers, those included that ask. */
export function writeNetwork(directory: string): void {
  const asking = views().map(([client]) => `${client} ${client}  client-${client.replaceAll('.', '-')}`)
  const asked = flat.map(([name, address]) => `${name} ${address}  ${name}.${zone}`)
  writeFileSync(join(directory, 'bench'), ['127.0.0.1', ...asking, ...asked, ''].join('\n'))
}

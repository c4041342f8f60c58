import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DnsServer } from '../../dns/index.ts'
import { parseAddress } from '../../dns/wire/address.ts'
import { arpaName } from '../../dns/wire/arpa-name.ts'
import { textName } from '../../dns/wire/name.ts'
import { reverseZones } from '../../dns/zones/reverse-zones.ts'
import { freePort } from '../free-port.ts'
import { removeTree } from '../remove-tree.ts'

/** The zones of one of our servers as zone files (RFC 1035, 5), from which another server answers the same. */
export async function zoneFiles(dns: DnsServer, reverse: readonly string[]): Promise<Map<string, string>> {
  const forward = dns.zones.flatMap((zone) => [...dns.zone(zone).records()])
  const pointers = forward
    .filter(({ type }) => type === 'A' || type === 'AAAA')
    .map(({ name, data }) => ({
      name: textName(arpaName(parseAddress(data).octets)),
      type: 'PTR',
      ttl: 0,
      data: name,
    }))
  const zones = [...dns.zones, ...reverse.flatMap(reverseZones)]
  const zoneOf = (name: string) =>
    zones.filter((zone) => name === zone || name.endsWith(`.${zone}`)).sort((a, b) => b.length - a.length)[0]
  const files = new Map<string, string>()
  for (const zone of zones) {
    const [soa] = (await dns.query(zone, 'SOA')).answers
    const [primary, admin, ...times] = (soa?.data ?? '').split(' ')
    const lines = [
      `${zone}. 0 SOA ${primary}. ${admin}. ${times.join(' ')}`,
      `${zone}. 0 NS ${zone}.`,
      ...[...forward, ...pointers]
        .filter(({ name }) => zoneOf(name) === zone)
        .map(({ name, type, ttl, data }) => `${name}. ${ttl} ${type} ${rooted(type, data)}`),
      // A zone within another has to be delegated in it: without that, it does not exist for a server of zone files.
      ...zones.filter((inner) => inner.endsWith(`.${zone}`)).map((inner) => `${inner}. 0 NS ${inner}.`),
    ]
    files.set(zone, `${[...new Set(lines)].join('\n')}\n`)
  }
  return files
}

function rooted(type: string, data: string): string {
  if (type === 'TXT' || type === 'A' || type === 'AAAA') return data
  return data.endsWith('.') ? data : `${data}.`
}

/** Knot DNS, an authoritative server in wide use, as a reference: on loopback, with files of its own. */
export async function startKnot(
  files: ReadonlyMap<string, string>,
): Promise<AsyncDisposable & { port: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'moorage-knot-'))
  const port = await freePort()
  const zones = [...files.keys()].map((zone, index) => {
    writeFileSync(join(directory, `${index}.zone`), files.get(zone) ?? '')
    return `  - domain: ${zone}\n    file: ${index}.zone\n`
  })
  writeFileSync(
    join(directory, 'knot.conf'),
    `server:
    rundir: ${directory}
    user: root:root
    listen: 127.0.0.1@${port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: ${directory}/db
    journal-db-max-size: 1M
log:
  - target: stderr
    any: info
template:
  - id: default
    storage: ${directory}
    zonefile-load: whole
    journal-content: none
zone:
${zones.join('')}`,
  )
  const child = spawn('knotd', ['-c', join(directory, 'knot.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let said = ''
  const started = Promise.withResolvers<void>()
  child.stderr.on('data', (data) => {
    said += data
    if (said.includes('server started')) started.resolve()
  })
  const exited = once(child, 'exit')
  child.on('error', started.reject)
  void exited.then(() => started.reject(new Error(`knotd ended:\n${said}`)))
  const stop = async () => {
    child.kill('SIGTERM')
    await exited
    removeTree(directory)
  }
  try {
    await started.promise
    if (/error:/.test(said)) throw new Error(`knotd:\n${said}`)
  } catch (error) {
    await stop()
    throw error
  }
  return { port, [Symbol.asyncDispose]: stop }
}

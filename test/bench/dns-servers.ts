import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { clientOf, writeHosts, writeNetwork, writeZone, zone } from './dns-names.ts'
import type { Place } from './dns-place.ts'

/** A server that runs, and answers. */
export interface DnsProcess {
  readonly name: string
  readonly pid: number
  readonly port: number
}

/** Ours: with the batched socket, or with Node's own. */
export function startOwn(place: Place, kind: 'batched' | 'plain', port: number): Promise<DnsProcess> {
  const program = join(import.meta.dirname, 'dns-own.ts')
  const { pid } = place.start(process.execPath, [program, kind, String(port)])
  return answering(place, { name: `moorage, ${kind}`, pid: pid ?? 0, port })
}

/** No server, but what Node's own socket can bear: see the program. */
export async function startEcho(place: Place, kind: 'each' | 'together', port: number): Promise<DnsProcess> {
  const program = join(import.meta.dirname, 'dns-echo.ts')
  const { pid, stdout } = place.start(process.execPath, [program, kind, String(port)])
  if (stdout !== null) await once(stdout, 'data')
  return { name: `bare echo, ${kind}`, pid: pid ?? 0, port }
}

export function startDnsmasq(place: Place, port: number): Promise<DnsProcess> {
  const { pid } = place.start('dnsmasq', [
    '--keep-in-foreground',
    '--conf-file=/dev/null',
    '--pid-file',
    '--user=root',
    '--no-resolv',
    '--no-hosts',
    `--addn-hosts=${writeHosts(place.directory)}`,
    // Its hash table is made for so many names.
    '--cache-size=10000',
    `--local=/${zone}/`,
    '--listen-address=127.0.0.1',
    '--bind-interfaces',
    `--port=${port}`,
  ])
  return answering(place, { name: 'dnsmasq', pid: pid ?? 0, port })
}

export function startKnot(place: Place, port: number): Promise<DnsProcess> {
  const directory = join(place.directory, 'knot')
  mkdirSync(directory)
  const config = join(directory, 'knot.conf')
  writeFileSync(
    config,
    `server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
  # Ours has one thread for all; more of Knot's cost it more time for each query.
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: error
database:
  storage: ${directory}
template:
  - id: default
    storage: ${place.directory}
    journal-content: none
    zonefile-sync: -1
    file: ${writeZone(place.directory)}
zone:
  - domain: ${zone}
`,
  )
  const { pid } = place.start('knotd', ['-c', config])
  return answering(place, { name: 'Knot', pid: pid ?? 0, port })
}

/** It goes into the background, and leaves its pid in a file. */
export async function startAardvark(place: Place, port: number): Promise<DnsProcess> {
  const directory = join(place.directory, 'aardvark')
  mkdirSync(directory)
  writeNetwork(directory)
  await place.run('/usr/lib/podman/aardvark-dns', '--config', directory, '--port', String(port), 'run')
  const pid = Number(readFileSync(join(directory, 'aardvark.pid'), 'utf8'))
  place.adopt(pid)
  return answering(place, { name: 'aardvark-dns', pid, port })
}

/** Waits until the first client gets what it should, for the last name and for an alias. */
async function answering(place: Place, server: DnsProcess): Promise<DnsProcess> {
  const ask = async (name: string) => {
    const where = ['@127.0.0.1', '-p', String(server.port), '-b', clientOf(0)]
    return (await place.run('dig', ...where, '+short', '+tries=1', '+time=1', `${name}.${zone}`)).trim()
  }
  for (const end = performance.now() + 20_000; ; await rest(50)) {
    const answers = await Promise.all(['host-9999', 'alias-3'].map(ask)).catch(String)
    if (answers[0] === '10.1.39.15' && /^10\.[12]\.0\.3$/.test(answers[1] ?? '')) return server
    if (performance.now() > end) throw new Error(`${server.name} does not answer as it should: ${answers}`)
  }
}

/** Which versions were measured. */
export async function versions(place: Place): Promise<string> {
  const first = async (command: string, ...args: string[]) =>
    (await place.run(command, ...args)).split('\n')[0]?.replace(/,? +Copyright.*/, '') ?? ''
  return [
    await first('dnsmasq', '--version'),
    await first('knotd', '--version'),
    await first('/usr/lib/podman/aardvark-dns', '--version'),
  ].join(', ')
}

/** What this host must have for networks, each thing tried out in a namespace that is thrown away. */
import { closeSync, readFileSync } from 'node:fs'
import { bridgeName } from '../addressing/kernel-names.ts'
import { networkRuleset } from '../firewall/network-ruleset.ts'
import { applyRuleset } from '../firewall/nft.ts'
import { createNamespace, NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { isHeld, listOwners } from '../ownership/claim.ts'
import { checkSurroundings } from './check-surroundings.ts'

/** One thing that the host must have, and what to do where it does not. */
export interface Probe {
  name: string
  ok: boolean
  detail: string
  remedy: string
}

/** @param runDirectory - where leftovers of dead processes are looked for */
export async function checkHost(runDirectory = '/run/moorage'): Promise<Probe[]> {
  const probes = [checkPrivileges()]
  let fd: number | undefined
  probes.push(
    attempt('network namespaces', 'a kernel with CONFIG_NET_NS, and CAP_SYS_ADMIN', () => {
      const made = createNamespace(() => new NetlinkSocket())
      made.value.close()
      fd = made.fd
      return 'can be made'
    }),
  )
  if (fd !== undefined) {
    try {
      probes.push(...checkLinks(), await checkFirewall(fd))
    } finally {
      closeSync(fd)
    }
  }
  probes.push(checkForwarding(), ...(await checkSurroundings(runDirectory)), checkLeftovers(runDirectory))
  return probes
}

function attempt(name: string, remedy: string, look: () => string): Probe {
  try {
    return { name, ok: true, detail: look(), remedy: '' }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error), remedy }
  }
}

const CAP_NET_ADMIN = 12n
const CAP_SYS_ADMIN = 21n

function checkPrivileges(): Probe {
  return attempt('privileges', 'run as root, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN', () => {
    const found = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    const held = BigInt(`0x${found?.[1] ?? '0'}`)
    const missing = []
    if (!((held >> CAP_NET_ADMIN) & 1n)) missing.push('CAP_NET_ADMIN')
    if (!((held >> CAP_SYS_ADMIN) & 1n)) missing.push('CAP_SYS_ADMIN')
    if (process.geteuid?.() !== 0) throw new Error(`this process has uid ${process.geteuid?.()}, not root`)
    if (missing.length > 0) throw new Error(`root, but without ${missing.join(' and ')}`)
    return 'root, with CAP_NET_ADMIN and CAP_SYS_ADMIN'
  })
}

function checkLinks(): Probe[] {
  const inside = (run: (socket: NetlinkSocket) => void) => {
    const { fd, value } = createNamespace(() => new NetlinkSocket())
    try {
      using socket = value
      run(socket)
    } finally {
      closeSync(fd)
    }
  }
  const mac = Buffer.of(2, 0, 0, 0, 0, 1)
  return [
    attempt('bridge', 'modprobe bridge', () => {
      inside((socket) => socket.apply([rtnetlink.addBridge({ index: 2, name: bridgeName, mac, mtu: 1500 })]))
      return 'can be made'
    }),
    attempt('veth', 'modprobe veth', () => {
      const { fd, value } = createNamespace(() => new NetlinkSocket())
      value.close()
      try {
        const peer = { index: 3, name: 'b', namespace: fd }
        inside((socket) => socket.apply([rtnetlink.addVeth({ index: 2, name: 'a', mtu: 1500, peer })]))
      } finally {
        closeSync(fd)
      }
      return 'can be made'
    }),
  ]
}

const example = {
  subnet: '10.200.0.0/16',
  gateway: '10.200.0.1',
  subnet6: 'fd00:1::/64',
  gateway6: 'fd00:1::1',
}

async function checkFirewall(namespace: number): Promise<Probe> {
  const name = 'nftables'
  try {
    // The rules themselves, in a place where they rule nothing: each expression must be known to this kernel.
    for (const isolation of ['network', 'bindings'] as const) {
      await applyRuleset(networkRuleset({ ...example, isolation }), namespace)
    }
    return { name, ok: true, detail: 'a network’s rules are accepted', remedy: '' }
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return {
      name,
      ok: false,
      detail,
      remedy: 'apt install nftables; a kernel with nf_tables, NAT and bridge support',
    }
  }
}

function checkForwarding(): Probe {
  return attempt(
    'ip_forward',
    'a writable /proc/sys/net; or sysctl -w net.ipv4.ip_forward=1 beforehand',
    () => {
      const forwards = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1'
      return forwards ? 'is on' : 'is off; the first network turns it on'
    },
  )
}

function checkLeftovers(runDirectory: string): Probe {
  const dead = listOwners(runDirectory).filter(({ name, givenUp }) => !givenUp && !isHeld(runDirectory, name))
  const names = dead.map(({ name, pid }) => `${name} (of process ${pid})`)
  return {
    name: 'leftovers',
    ok: dead.length === 0,
    detail:
      dead.length === 0
        ? `no network of a dead process in ${runDirectory}`
        : `networks of dead processes: ${names.join(', ')}`,
    remedy: dead.length === 0 ? '' : 'start the daemon with the same directories: it removes what is its own',
  }
}

/** Checks that this host has all that networks need, by trying it out in a namespace that is thrown away. */
import { closeSync, readFileSync } from 'node:fs'
import { bridgeName } from '../addressing/kernel-names.ts'
import { networkRuleset } from '../firewall/network-ruleset.ts'
import { runNft } from '../firewall/nft.ts'
import { createNamespace, NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { isHeld } from '../ownership/claim.ts'
import { listOwners } from '../ownership/owner-file.ts'
import type { HostCheck } from './check-result.ts'
import { checkSurroundings } from './check-surroundings.ts'

/**
 * Checks all that networks need of this host.
 *
 * @param runDirectory - where to look for leftovers of dead processes
 */
export async function checkHost(runDirectory = '/run/moorage'): Promise<HostCheck[]> {
  const checks = [checkPrivileges()]
  let fd: number | undefined
  checks.push(
    attempt('network namespaces', 'a kernel with CONFIG_NET_NS, and CAP_SYS_ADMIN', () => {
      const namespace = createNamespace(() => new NetlinkSocket())
      namespace.value.close()
      fd = namespace.fd
      return 'can be made'
    }),
  )
  if (fd !== undefined) {
    try {
      checks.push(...checkLinks(), await checkFirewall(fd))
    } finally {
      closeSync(fd)
    }
  }
  checks.push(checkForwarding(), ...(await checkSurroundings(runDirectory)), checkLeftovers(runDirectory))
  return checks
}

/** Makes a check of a function that throws where something is missing. */
function attempt(name: string, remedy: string, look: () => string): HostCheck {
  try {
    return { name, ok: true, detail: look(), remedy: '' }
  } catch (error) {
    return { name, ok: false, detail: error instanceof Error ? error.message : String(error), remedy }
  }
}

const CAP_NET_ADMIN = 12n
const CAP_SYS_ADMIN = 21n

function checkPrivileges(): HostCheck {
  return attempt('privileges', 'run as root, in a container with CAP_NET_ADMIN and CAP_SYS_ADMIN', () => {
    const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    const capabilities = BigInt(`0x${line?.[1] ?? '0'}`)
    const missing = []
    if (!((capabilities >> CAP_NET_ADMIN) & 1n)) missing.push('CAP_NET_ADMIN')
    if (!((capabilities >> CAP_SYS_ADMIN) & 1n)) missing.push('CAP_SYS_ADMIN')
    if (process.geteuid?.() !== 0) throw new Error(`this process has uid ${process.geteuid?.()}, not root`)
    if (missing.length > 0) throw new Error(`root, but without ${missing.join(' and ')}`)
    return 'root, with CAP_NET_ADMIN and CAP_SYS_ADMIN'
  })
}

function checkLinks(): HostCheck[] {
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

const exampleHost = {
  end: '169.254.240.0',
  uplinks: '169.254.240.0/20',
  uplinks6: 'fd00:2::/64',
  own: ['192.0.2.1/32'],
  own6: ['2001:db8::1/128'],
}

async function checkFirewall(namespace: number): Promise<HostCheck> {
  const name = 'nftables'
  try {
    // The rules themselves, in a place where they rule nothing: each expression must be known to this kernel.
    for (const isolation of ['network', 'bindings'] as const) {
      await runNft(networkRuleset({ ...example, isolation }, exampleHost), namespace)
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

function checkForwarding(): HostCheck {
  return attempt(
    'ip_forward',
    'a writable /proc/sys/net; or sysctl -w net.ipv4.ip_forward=1 beforehand',
    () => {
      const forwards = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1'
      return forwards ? 'is on' : 'is off; the first network turns it on'
    },
  )
}

function checkLeftovers(runDirectory: string): HostCheck {
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

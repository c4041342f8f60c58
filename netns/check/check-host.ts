/** Checks that this host has all that networks need, by trying it out in a namespace that is thrown away. */
import { closeSync, readFileSync } from 'node:fs'
import { bridgeName } from '../addressing/kernel-names.ts'
import { networkRuleset } from '../firewall/network-ruleset.ts'
import { runNft } from '../firewall/nft.ts'
import { createNamespace, NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { isHeld } from '../ownership/claim.ts'
import { listOwners } from '../ownership/owner-file.ts'
import { type HostCheck, isRoot, look, notLookedAt } from './check-result.ts'
import { checkSurroundings } from './check-surroundings.ts'

/**
 * Checks all that networks need of this host. A thing that this user may not look at is told as that (`skipped`).
 *
 * @param runDirectory - where to look for leftovers of dead processes
 */
export async function checkHost(runDirectory = '/run/moorage'): Promise<HostCheck[]> {
  const namespaces = await look(
    'network namespaces',
    { only: 'make one', remedy: 'a kernel with CONFIG_NET_NS, and CAP_SYS_ADMIN' },
    () => withNamespace(() => 'can be made'),
  )
  return [
    await checkPrivileges(),
    namespaces,
    ...(await checkInside(namespaces)),
    await checkForwarding(),
    ...(await checkSurroundings(runDirectory)),
    await checkLeftovers(runDirectory),
  ]
}

/** Makes the checks that need a namespace to be made in. */
async function checkInside({ ok, skipped }: HostCheck): Promise<HostCheck[]> {
  // The same word three times would say nothing new; but a list in which they are missing would look complete.
  if (!ok && !skipped) {
    const why = 'it needs a network namespace, and none can be made'
    return ['bridge', 'veth', 'nftables'].map((name) => notLookedAt(name, why, 'see network namespaces'))
  }
  return [...(await checkLinks()), await checkFirewall()]
}

/** Runs with a new namespace, and a netlink socket in it, and throws both away. */
function withNamespace<T>(run: (socket: NetlinkSocket, fd: number) => T): T {
  const { fd, value } = createNamespace(() => new NetlinkSocket())
  try {
    using socket = value
    return run(socket, fd)
  } finally {
    closeSync(fd)
  }
}

const CAP_NET_ADMIN = 12n
const CAP_SYS_ADMIN = 21n

function checkPrivileges(): Promise<HostCheck> {
  const remedy = isRoot()
    ? 'give this process, or its container, CAP_NET_ADMIN and CAP_SYS_ADMIN'
    : 'run it as root: sudo moorage doctor'
  return look('privileges', { remedy }, () => {
    if (!isRoot()) throw new Error(`you are not root: this process has uid ${process.geteuid?.()}`)
    const line = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'utf8'))
    const capabilities = BigInt(`0x${line?.[1] ?? '0'}`)
    const missing = []
    if (!((capabilities >> CAP_NET_ADMIN) & 1n)) missing.push('CAP_NET_ADMIN')
    if (!((capabilities >> CAP_SYS_ADMIN) & 1n)) missing.push('CAP_SYS_ADMIN')
    if (missing.length > 0) throw new Error(`root, but without ${missing.join(' and ')}`)
    return 'root, with CAP_NET_ADMIN and CAP_SYS_ADMIN'
  })
}

async function checkLinks(): Promise<HostCheck[]> {
  const mac = Buffer.of(2, 0, 0, 0, 0, 1)
  return [
    await look('bridge', { only: 'make one', remedy: 'modprobe bridge' }, () =>
      withNamespace((socket) => {
        socket.apply([rtnetlink.addBridge({ index: 2, name: bridgeName, mac, mtu: 1500 })])
        return 'can be made'
      }),
    ),
    await look('veth', { only: 'make one', remedy: 'modprobe veth' }, () =>
      withNamespace((_socket, fd) =>
        withNamespace((socket) => {
          const peer = { index: 3, name: 'b', namespace: fd }
          socket.apply([rtnetlink.addVeth({ index: 2, name: 'a', mtu: 1500, peer })])
          return 'can be made'
        }),
      ),
    ),
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

function checkFirewall(): Promise<HostCheck> {
  const remedy = 'apt install nftables; a kernel with nf_tables, NAT and bridge support'
  return look('nftables', { only: 'load rules', remedy }, async () => {
    const { fd, value } = createNamespace(() => new NetlinkSocket())
    value.close()
    try {
      // The rules themselves, in a place where they rule nothing: each expression must be known to this kernel.
      for (const isolation of ['network', 'bindings'] as const) {
        await runNft(networkRuleset({ ...example, isolation }, exampleHost), fd)
      }
      return 'a network’s rules are accepted'
    } finally {
      closeSync(fd)
    }
  })
}

function checkForwarding(): Promise<HostCheck> {
  const remedy = 'a writable /proc/sys/net; or sysctl -w net.ipv4.ip_forward=1 beforehand'
  return look('ip_forward', { remedy }, () => {
    const forwards = readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1'
    return forwards ? 'is on' : 'is off; the first network turns it on'
  })
}

function checkLeftovers(runDirectory: string): Promise<HostCheck> {
  const name = 'leftovers'
  return look(name, { remedy: `see what is in ${runDirectory}` }, () => {
    const dead = listOwners(runDirectory).filter(
      (owner) => !owner.givenUp && !isHeld(runDirectory, owner.name),
    )
    if (dead.length === 0) return `no network of a dead process in ${runDirectory}`
    const names = dead.map((owner) => `${owner.name} (of process ${owner.pid})`)
    return {
      name,
      ok: false,
      detail: `networks of dead processes: ${names.join(', ')}`,
      remedy: 'start the daemon with the same directories: it removes what is its own',
    }
  })
}

/** The same sandbox as others make it: iproute2 with nft in as few processes as they take, and netavark. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from '../remove-tree.ts'
import type { Contender } from './frame.ts'

const command = (name: string, args: readonly string[], input = '') =>
  execFileSync(name, args, { input, stdio: ['pipe', 'ignore', 'inherit'] })

/** A namespace that stands for the host, so that nobody's rules and bridges come to the real one. */
function hostOfItsOwn(name: string) {
  command('ip', ['netns', 'add', name])
  return {
    inside: (program: string, args: readonly string[], input = '') =>
      command('nsenter', [`--net=/run/netns/${name}`, program, ...args], input),
    remove: () => command('ip', ['netns', 'del', name]),
  }
}

/** One sandbox at a time, as a CNI plugin does it; `ip -batch` spares it most of the processes that plugins start. */
export function iproute2(): Contender & Disposable {
  const network = `bench${process.pid}`
  const host = hostOfItsOwn(network)
  command('ip', ['-n', network, '-batch', '-'], 'link add br0 type bridge\nlink set br0 up\n')
  host.inside('nft', [
    'add table bridge b; add set bridge b leases { type ifname . ipv4_addr . ether_addr; }',
  ])
  return {
    name: 'ip and nft',
    async run(turn) {
      const [box, link] = [`${network}-${turn}`, `v${turn}`]
      const element = `element bridge b leases { "${link}" . 10.1.0.2 . 02:00:00:00:00:02 }`
      const begin = performance.now()
      command('ip', ['netns', 'add', box])
      command(
        'ip',
        ['-n', network, '-batch', '-'],
        `link add ${link} type veth peer name eth0 address 02:00:00:00:00:02 netns ${box}
         link set ${link} master br0 up
         route replace 10.1.0.2/32 dev br0\n`,
      )
      host.inside('bridge', ['link', 'set', 'dev', link, 'isolated', 'on'])
      command(
        'ip',
        ['-n', box, '-batch', '-'],
        `link set lo up
         addr add 10.1.0.2/32 dev eth0
         link set eth0 up
         route add 10.1.0.1/32 dev eth0
         route add default via 10.1.0.1\n`,
      )
      host.inside('nft', [`add ${element}`])
      const made = performance.now()
      host.inside('nft', [`delete ${element}`])
      command('ip', ['netns', 'del', box])
      return times(begin, made)
    },
    [Symbol.dispose]: host.remove,
  }
}

function times(begin: number, made: number) {
  const end = performance.now()
  return { create: made - begin, destroy: end - made, 'create and destroy': end - begin }
}

/** What Podman runs for each container, with its firewall. */
export function netavark(): Contender & Disposable {
  const name = `benchn${process.pid}`
  const host = hostOfItsOwn(name)
  const config = mkdtempSync(join(tmpdir(), 'bench-netavark-'))
  const call = (what: 'setup' | 'teardown', box: string, address: string) =>
    host.inside(
      '/usr/lib/podman/netavark',
      ['--config', config, what, `/run/netns/${box}`],
      request(box, address),
    )
  const keeper = `${name}-keeper`
  command('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
  command('ip', ['netns', 'add', keeper])
  // One that stays, or it would make and remove the bridge each time.
  call('setup', keeper, '10.1.0.3')
  return {
    name: 'netavark',
    async run(turn) {
      const box = `${name}-${turn}`
      const begin = performance.now()
      command('ip', ['netns', 'add', box])
      call('setup', box, '10.1.0.2')
      const made = performance.now()
      call('teardown', box, '10.1.0.2')
      command('ip', ['netns', 'del', box])
      return times(begin, made)
    },
    [Symbol.dispose]() {
      command('ip', ['netns', 'del', keeper])
      host.remove()
      removeTree(config)
    },
  }
}

function request(box: string, address: string): string {
  const id = Buffer.from(box.padEnd(32, '0').slice(-32)).toString('hex')
  return JSON.stringify({
    container_id: id,
    container_name: box,
    networks: { bench: { static_ips: [address], interface_name: 'eth0' } },
    network_info: {
      bench: {
        name: 'bench',
        id: 'b'.repeat(64),
        driver: 'bridge',
        network_interface: 'podman0',
        subnets: [{ subnet: '10.1.0.0/16', gateway: '10.1.0.1' }],
        ipv6_enabled: false,
        internal: false,
        dns_enabled: false,
        ipam_options: { driver: 'host-local' },
      },
    },
  })
}

/** Making a network in the kernel, and opening one that somebody else made. */
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs'
import { addressText, defaultQuarantine, gatewayOf, parseSubnet } from '../addressing/addresses.ts'
import { address6Of, address6Text } from '../addressing/addresses6.ts'
import { bridgePrefix } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import { Firewall } from '../firewall/firewall.ts'
import type { Isolation } from '../firewall/network-ruleset.ts'
import {
  bindMount,
  createNamespace,
  inNamespace,
  NetlinkSocket,
  NetnsError,
  rtnetlink,
} from '../kernel/index.ts'
import { claimName, isHeld, type NetworkDescription, tryClaim } from '../ownership/claim.ts'
import { takeOver } from '../ownership/recover.ts'
import { Bridges, firstPortIndex, mostPorts } from '../topology/bridges.ts'
import { linksReady } from '../topology/link-state.ts'
import { NamespaceSettings } from '../topology/namespace-settings.ts'
import {
  claimSubnet,
  type HostRouteState,
  makeUplink,
  type SubnetWish,
  subnet6For,
  subnetFor,
} from '../topology/uplink.ts'
import { forwardIPv6, holdHost, lookAtHost } from './hold-host.ts'
import { KernelNetwork, linkGroup, type NetworkEvent, Problems } from './kernel-network.ts'
import { takeBack } from './take-back.ts'

export interface NetworkRequest extends SubnetWish {
  name: string
  instance: string
  runDirectory: string
  isolation: Isolation
  uplinkRange?: string
  portsPerBridge?: number
  quarantine?: number
}

/** Makes all of a network, or nothing: whatever was made before a failure is taken back. */
export async function createKernelNetwork(
  request: NetworkRequest,
  tell: (event: NetworkEvent) => void,
): Promise<KernelNetwork> {
  const steps = new AsyncDisposableStack()
  try {
    return await create(request, new Problems(tell), steps)
  } catch (error) {
    throw await takeBack(steps, error)
  }
}

async function create(request: NetworkRequest, problems: Problems, steps: AsyncDisposableStack) {
  const { name, instance, runDirectory, isolation } = request
  const claim = await claimName(runDirectory, name)
  if (claim.found.givenUp) {
    claim.close()
    throw new NetnsError(
      'NETWORK_EXISTS',
      `the network ${name} exists already: process ${claim.found.pid} gave it up, for somebody to open it`,
    )
  }
  steps.defer(() => claim.drop())
  await takeOver(claim, runDirectory, instance)
  faultPoint('name-claimed')
  const hold = await holdHost(instance, {
    ...(request.uplinkRange === undefined ? {} : { uplinkRange: request.uplinkRange }),
    onRestored: problems.restored('host'),
  })
  steps.defer(() => hold.release())
  faultPoint('host-prepared')

  const host = steps.use(new NetlinkSocket())
  const view = lookAtHost(host)
  // Asked here only so that what cannot be is refused before anything is made.
  subnetFor(request, view.routes)
  const ipv6 = subnet6For(request, view.routes6) !== undefined
  if (ipv6) requireIPv6()
  if (ipv6) forwardIPv6(view)
  const { fd: namespace, value: socket } = makeNamespace(claim.path, ipv6)
  steps.defer(() => closeSync(namespace))
  steps.use(socket)
  faultPoint('namespace-named')
  const { mtu, routes } = view
  const range = hold.uplinkRange
  const uplink = makeUplink({
    instance,
    claim,
    range,
    routes,
    mtu,
    ipv6,
    host,
    socket,
    namespace,
    group: linkGroup,
    steps,
  })
  const { subnet, subnet6, hostRoute } = claimSubnet(request, host, uplink)
  faultPoint('host-routed')
  const gateway = gatewayOf(subnet)
  const description: NetworkDescription = {
    subnet: subnet.text,
    gateway: addressText(gateway),
    ...(subnet6 && { subnet6: subnet6.text, gateway6: address6Text(address6Of(subnet6, subnet, gateway)) }),
    isolation,
    mtu,
    uplinkRange: range,
    portsPerBridge: Math.min(mostPorts, Math.max(1, request.portsPerBridge ?? mostPorts)),
    quarantine: request.quarantine ?? defaultQuarantine,
  }
  const bridges = Bridges.create(socket, { ...description, subnet, subnet6 })
  faultPoint('bridge-made')
  await linksReady(socket, uplink.inner)
  const firewall = steps.use(firewallOf(description, namespace, problems))
  await firewall.apply()
  faultPoint('rules-applied')
  claim.note({ description })
  faultPoint('network-described')
  steps.move()
  const made = { ...description, path: claim.path, namespace, hostRoute }
  return new KernelNetwork({
    made,
    claim,
    hold,
    host,
    socket,
    bridges,
    firewall,
    problems,
    firstPort: firstPortIndex,
  })
}

function requireIPv6(): void {
  if (existsSync('/proc/sys/net/ipv6')) return
  throw new NetnsError(
    'KERNEL',
    'this kernel has no IPv6 (EAFNOSUPPORT): leave ipv6 out, or boot without ipv6.disable=1',
    {
      errno: 'EAFNOSUPPORT',
    },
  )
}

function firewallOf(rules: NetworkDescription, namespace: number, problems: Problems): Firewall {
  const onRestored = problems.restored('network')
  return inNamespace(namespace, () => new Firewall({ rules, namespace, onRestored }))
}

function makeNamespace(path: string, ipv6: boolean): { fd: number; value: NetlinkSocket } {
  return createNamespace(() => {
    using settings = new NamespaceSettings()
    // A new namespace takes these from the host's. The kernel ORs "all" with the link, so both are set.
    for (const scope of ['all', 'default']) {
      settings.write({
        [`ipv4/conf/${scope}/rp_filter`]: '0',
        [`ipv4/conf/${scope}/send_redirects`]: '0',
        [`ipv4/conf/${scope}/accept_redirects`]: '0',
      })
    }
    // Without the second one, of refusals by ICMP a sandbox gets one in a second, and waits for the others.
    settings.write({ 'ipv4/ip_forward': '1', 'ipv4/icmp_ratelimit': '0' })
    if (ipv6) {
      settings.write({
        'ipv6/conf/all/disable_ipv6': '0',
        'ipv6/conf/default/disable_ipv6': '0',
        'ipv6/conf/all/forwarding': '1',
        'ipv6/icmp/ratelimit': '0',
      })
    }
    // Where Docker has loaded br_netfilter, frames between bridge ports pass the IP rules a first time, as bridged.
    settings.writeExisting({
      'bridge/bridge-nf-call-iptables': '0',
      'bridge/bridge-nf-call-ip6tables': '0',
      'bridge/bridge-nf-call-arptables': '0',
    })
    faultPoint('namespace-made')
    writeFileSync(path, '')
    bindMount('/proc/thread-self/ns/net', path)
    return new NetlinkSocket()
  })
}

export interface OpenRequest {
  name: string
  runDirectory: string
  instance?: string
}

/**
 * Opens a network that nobody holds, as it was made: name, subnets, gateway, uplink and rules. Its sandboxes are not
 * kept: whoever is still in one is cut off, and their addresses rest.
 */
export async function openKernelNetwork(
  request: OpenRequest,
  tell: (event: NetworkEvent) => void,
): Promise<KernelNetwork> {
  const steps = new AsyncDisposableStack()
  try {
    return await open(request, new Problems(tell), steps)
  } catch (error) {
    throw await takeBack(steps, error)
  }
}

async function open(
  { name, runDirectory, instance }: OpenRequest,
  problems: Problems,
  steps: AsyncDisposableStack,
) {
  const claim = tryClaim(runDirectory, name, false)
  if (claim === undefined) {
    if (!isHeld(runDirectory, name))
      throw new NetnsError('NETWORK_GONE', `there is no network ${name} in ${runDirectory}`)
    throw new NetnsError(
      'NETWORK_EXISTS',
      `the network ${name} is in use by another holder; only one can have it open`,
    )
  }
  steps.defer(() => claim.close())
  const { description, uplink, instance: of } = claim.found
  if (instance !== undefined && instance !== of) {
    throw new NetnsError('NETWORK_EXISTS', `the network ${name} is of instance ${of}, not of ${instance}`)
  }
  const damaged = (why: string) =>
    new NetnsError(
      'NETWORK_GONE',
      `the network ${name} cannot be opened: ${why}; recover() removes what is left of it`,
    )
  if (description === undefined) throw damaged('it was never finished')
  const namespace = openSync(claim.path, 'r')
  steps.defer(() => closeSync(namespace))
  const socket = steps.use(enter(namespace, damaged))
  const hold = await holdHost(of, {
    uplinkRange: description.uplinkRange,
    onRestored: problems.restored('host'),
  })
  steps.defer(() => hold.release())
  const host = steps.use(new NetlinkSocket())
  if (!rtnetlink.listLinks(host).some((link) => link.name === uplink))
    throw damaged(`its uplink ${uplink} is gone`)

  const { firstPort, resting } = empty(socket)
  faultPoint('network-emptied')
  const firewall = steps.use(firewallOf(description, namespace, problems))
  await firewall.apply()
  claim.note({ pid: process.pid, givenUp: false })
  faultPoint('network-reopened')
  steps.move()
  const subnet = parseSubnet(description.subnet)
  const bridges = new Bridges(socket, { ...description, subnet })
  const made = {
    ...description,
    path: claim.path,
    namespace,
    hostRoute: routeState(host, description.subnet, uplink),
  }
  return new KernelNetwork({
    made,
    claim,
    hold,
    host,
    socket,
    bridges,
    firewall,
    problems,
    firstPort,
    resting,
  })
}

function enter(namespace: number, damaged: (why: string) => NetnsError): NetlinkSocket {
  try {
    return inNamespace(namespace, () => new NetlinkSocket())
  } catch (error) {
    if (error instanceof NetnsError && error.errno === 'EINVAL') throw damaged('its namespace is gone')
    throw error
  }
}

/** Removes all that the last holder's sandboxes had here, and all bridges but the first. */
function empty(socket: NetlinkSocket): { firstPort: number; resting: number[] } {
  const links = rtnetlink.listLinks(socket)
  const bridges = links.filter(({ name }) => name.startsWith(bridgePrefix))
  const ports = links.filter(({ master }) => master !== undefined)
  const routes = rtnetlink
    .listRoutes(socket)
    .filter(({ index, length }) => length === 32 && bridges.some((bridge) => bridge.index === index))
  const doomed = 3
  socket.apply(
    [...ports, ...bridges.slice(1)].map(({ index }) => rtnetlink.setLinkGroup(index, doomed)),
    ['ENODEV'],
  )
  socket.apply([rtnetlink.removeLinkGroup(doomed)], ['ENODEV'])
  for (const family of ['ipv4', 'ipv6'] as const) {
    const left = rtnetlink
      .listRoutes(socket, family)
      .filter(({ index, address, length }) => index === bridges[0]?.index && length === address.length * 8)
    socket.apply(
      left.flatMap(({ address, length, index }) => [
        rtnetlink.removeRoute({ to: { address, length }, index: index as number }),
        rtnetlink.removeNeighbour(index as number, address),
      ]),
      // The gateway's own is in another table.
      ['ESRCH', 'ENOENT'],
    )
  }
  return {
    firstPort: Math.max(firstPortIndex, ...links.map(({ index }) => index + 1)),
    resting: routes.map(({ address }) => Buffer.from(address).readUInt32BE(0)),
  }
}

function routeState(host: NetlinkSocket, subnet: string, uplink: string | undefined): HostRouteState {
  const { routes } = lookAtHost(host)
  const own = routes.find(({ address, length, link }) => link === uplink && `${address}/${length}` === subnet)
  if (own !== undefined) return { present: true }
  return { present: false, reason: 'the host had a route to another network when this one was made' }
}

/** Makes a network in the kernel, and removes it: each step of the one has its opposite in the other. */
import { closeSync, existsSync } from 'node:fs'
import { addressText, gatewayOf } from '../addressing/addresses.ts'
import { address6Of, address6Text } from '../addressing/addresses6.ts'
import { defaultQuarantine } from '../addressing/quarantine.ts'
import { readHostRoutes } from '../addressing/read-host.ts'
import { chooseSubnet, chooseSubnet6, type SubnetChoice } from '../addressing/subnets.ts'
import { faultPoint } from '../fault-points.ts'
import type { Isolation } from '../firewall/network-ruleset.ts'
import { NetlinkSocket, NetnsError } from '../kernel/index.ts'
import { type Claim, claimName } from '../ownership/claim.ts'
import type { NetworkDescription } from '../ownership/owner-file.ts'
import { takeOver } from '../ownership/recover.ts'
import { firstPortIndex, makeBridges, mostPorts } from '../topology/bridges.ts'
import { claimSubnet } from '../topology/host-route.ts'
import { removeNetworkLinks } from '../topology/link-groups.ts'
import { linksReady } from '../topology/link-state.ts'
import { makeNamedNamespace } from '../topology/named-namespace.ts'
import { makeUplink } from '../topology/uplink.ts'
import { holdHost } from './hold-host.ts'
import { forwardIPv6 } from './host-forwarding.ts'
import { hostSide } from './host-side.ts'
import { makeFirewall, type NetworkParts, releaseParts } from './network-parts.ts'
import type { Problems } from './problems.ts'
import { takeBack } from './undo-half-made.ts'

export interface NetworkRequest extends SubnetChoice {
  name: string
  instance: string
  runDirectory: string
  isolation: Isolation
  uplinkRange?: string
  portsPerBridge?: number
  quarantine?: number
}

/** Makes all of a network, or nothing: whatever was made before a failure is taken back. */
export async function makeNetwork(request: NetworkRequest, problems: Problems): Promise<NetworkParts> {
  const steps = new AsyncDisposableStack()
  try {
    const parts = await make(request, problems, steps)
    steps.move()
    return parts
  } catch (error) {
    throw await takeBack(steps, error)
  }
}

/** @param steps - take back what was made so far */
async function make(
  request: NetworkRequest,
  problems: Problems,
  steps: AsyncDisposableStack,
): Promise<NetworkParts> {
  const { name, instance, runDirectory, isolation } = request
  const claim = await claimNewName(runDirectory, name)
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
  const routes = readHostRoutes(host)
  const { mtu } = routes
  // Chosen here only so that what cannot be is refused before anything is made.
  chooseSubnet(request, routes.routes)
  const ipv6 = chooseSubnet6(request, routes.routes6) !== undefined
  if (ipv6) requireIPv6()
  if (ipv6) forwardIPv6(routes)
  const { fd: namespace, value: socket } = makeNamedNamespace(claim.path, ipv6)
  steps.defer(() => closeSync(namespace))
  steps.use(socket)
  faultPoint('namespace-named')
  steps.defer(() => removeNetworkLinks(socket))
  const uplink = makeUplink({
    instance,
    name,
    range: hold.uplinkRange,
    routes: routes.routes,
    mtu,
    ipv6,
    host,
    socket,
    namespace,
    announce: (link) => claim.write({ uplink: link }),
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
    uplinkRange: hold.uplinkRange,
    portsPerBridge: Math.min(mostPorts, Math.max(1, request.portsPerBridge ?? mostPorts)),
    quarantine: request.quarantine ?? defaultQuarantine,
  }
  const bridges = makeBridges(socket, { ...description, subnet, subnet6 })
  faultPoint('bridge-made')
  await linksReady(socket, uplink.inner)
  const firewall = steps.use(
    makeFirewall(description, hostSide(host, uplink.outside, hold.uplinkRange), namespace, problems),
  )
  await firewall.apply()
  faultPoint('rules-applied')
  claim.write({ description })
  faultPoint('network-described')
  const facts = { ...description, path: claim.path, namespace, hostRoute }
  return { facts, claim, hold, host, socket, bridges, firewall, problems, firstPort: firstPortIndex }
}

/** Removes a network from the kernel; every step is taken, whatever became of the others. */
export async function removeNetwork(parts: NetworkParts): Promise<void> {
  const steps = new AsyncDisposableStack()
  // In the order of `make`, so that they are taken in the reverse one.
  steps.defer(() => parts.claim.drop())
  releaseParts(parts, steps)
  steps.defer(() => {
    removeNetworkLinks(parts.socket)
    faultPoint('links-removed')
  })
  await steps.disposeAsync()
}

async function claimNewName(runDirectory: string, name: string): Promise<Claim> {
  const claim = await claimName(runDirectory, name)
  if (!claim.previous.givenUp) return claim
  claim.close()
  throw new NetnsError(
    'NETWORK_EXISTS',
    `the network ${name} exists already: process ${claim.previous.pid} gave it up, for somebody to open it`,
  )
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

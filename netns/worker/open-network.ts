/** Opens a network that is in the kernel already, as after a restart, and gives it up again for others to open. */
import { closeSync, openSync } from 'node:fs'
import { parseSubnet } from '../addressing/addresses.ts'
import { faultPoint } from '../fault-points.ts'
import { inNamespace, NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'
import { type Claim, isHeld, tryClaim } from '../ownership/claim.ts'
import { Bridges, emptyBridges } from '../topology/bridges.ts'
import { findHostRoute } from '../topology/host-route.ts'
import { holdHost } from './hold-host.ts'
import { hostSide } from './host-side.ts'
import { makeFirewall, type NetworkParts, releaseParts } from './network-parts.ts'
import type { Problems } from './problems.ts'
import { takeBack } from './undo-half-made.ts'

export interface OpenRequest {
  name: string
  runDirectory: string
  instance?: string
}

/**
 * Opens a network that nobody holds, as it was made: name, subnets, gateway, uplink and rules. Its sandboxes are not
 * kept: whoever is still in one is cut off, and their addresses are put into quarantine.
 */
export async function openNetwork(request: OpenRequest, problems: Problems): Promise<NetworkParts> {
  const steps = new AsyncDisposableStack()
  try {
    const parts = await open(request, problems, steps)
    steps.move()
    return parts
  } catch (error) {
    throw await takeBack(steps, error)
  }
}

/** @param steps - take back what was opened so far */
async function open(
  request: OpenRequest,
  problems: Problems,
  steps: AsyncDisposableStack,
): Promise<NetworkParts> {
  const claim = claimOpenable(request)
  steps.defer(() => claim.close())
  const { name } = request
  const { description, uplink, instance } = claim.previous
  if (request.instance !== undefined && request.instance !== instance) {
    throw new NetnsError(
      'NETWORK_EXISTS',
      `the network ${name} is of instance ${instance}, not of ${request.instance}`,
    )
  }
  const damaged = (why: string) =>
    new NetnsError(
      'NETWORK_GONE',
      `the network ${name} cannot be opened: ${why}; recover() removes what is left of it`,
    )
  if (description === undefined) throw damaged('it was never finished')
  const namespace = openSync(claim.path, 'r')
  steps.defer(() => closeSync(namespace))
  const socket = steps.use(enterNamespace(namespace, damaged))
  const hold = await holdHost(instance, {
    uplinkRange: description.uplinkRange,
    onRestored: problems.restored('host'),
  })
  steps.defer(() => hold.release())
  const host = steps.use(new NetlinkSocket())
  const link = rtnetlink.listLinks(host).find(({ name }) => name === uplink)
  if (link === undefined) throw damaged(`its uplink ${uplink} is gone`)
  const end = rtnetlink.listRoutes(host).find(({ own, index }) => own && index === link.index)
  if (end === undefined) throw damaged(`its uplink ${uplink} has lost its address`)

  const { firstPort, addresses } = emptyBridges(socket)
  faultPoint('network-emptied')
  const firewall = steps.use(
    makeFirewall(description, hostSide(host, end.address, description.uplinkRange), namespace, problems),
  )
  await firewall.apply()
  claim.write({ pid: process.pid, givenUp: false })
  faultPoint('network-reopened')
  const { subnet, mtu, portsPerBridge } = description
  const bridges = new Bridges(socket, { subnet: parseSubnet(subnet), mtu, portsPerBridge })
  const hostRoute = findHostRoute(host, subnet, uplink)
  const facts = { ...description, path: claim.path, namespace, hostRoute }
  const parts = { facts, claim, hold, host, socket, bridges, firewall, problems, firstPort }
  return { ...parts, quarantined: addresses }
}

/**
 * Leaves a network without sandboxes to whoever opens it.
 *
 * @param nextAddress - where its leases have got to
 */
export async function giveUpNetwork(parts: NetworkParts, nextAddress: number): Promise<void> {
  const steps = new AsyncDisposableStack()
  steps.defer(() => {
    parts.claim.write({ givenUp: true, nextAddress })
    parts.claim.close()
    faultPoint('network-given-up')
  })
  releaseParts(parts, steps)
  await steps.disposeAsync()
}

function claimOpenable({ name, runDirectory }: OpenRequest): Claim {
  const claim = tryClaim(runDirectory, name, 'take')
  if (claim !== undefined) return claim
  if (!isHeld(runDirectory, name))
    throw new NetnsError('NETWORK_GONE', `there is no network ${name} in ${runDirectory}`)
  throw new NetnsError(
    'NETWORK_EXISTS',
    `the network ${name} is in use by another holder; only one can have it open`,
  )
}

function enterNamespace(namespace: number, damaged: (why: string) => NetnsError): NetlinkSocket {
  try {
    return inNamespace(namespace, () => new NetlinkSocket())
  } catch (error) {
    if (error instanceof NetnsError && error.errno === 'EINVAL') throw damaged('its namespace is gone')
    throw error
  }
}

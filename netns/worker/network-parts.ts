/** The parts of a network that a process holds, whether it has made or opened it. */
import { closeSync } from 'node:fs'
import { faultPoint } from '../fault-points.ts'
import { Firewall } from '../firewall/firewall.ts'
import type { HostSide } from '../firewall/network-ruleset.ts'
import { inNamespace, type NetlinkSocket } from '../kernel/index.ts'
import type { Claim } from '../ownership/claim.ts'
import type { NetworkDescription } from '../ownership/owner-file.ts'
import type { Bridges } from '../topology/bridges.ts'
import type { HostRouteState } from '../topology/host-route.ts'
import type { HostHold } from './hold-host.ts'
import type { Problems } from './problems.ts'

/** The facts about a network that the worker passes to the main thread. */
export interface NetworkFacts extends NetworkDescription {
  /** The path of the namespace's name. */
  path: string
  /** A descriptor of the namespace, valid in all threads of the process. */
  namespace: number
  hostRoute: HostRouteState
}

export interface NetworkParts {
  facts: NetworkFacts
  claim: Claim
  hold: HostHold
  /** In the host's namespace. */
  host: NetlinkSocket
  /** In the network's namespace. */
  socket: NetlinkSocket
  bridges: Bridges
  firewall: Firewall
  problems: Problems
  /** The index of the first sandbox's link. */
  firstPort: number
  /** Addresses that a last holder's sandboxes had a moment ago. */
  quarantined?: readonly number[]
}

/** Makes the firewall of a network; its rules are there after `apply`. */
export function makeFirewall(
  rules: NetworkDescription,
  host: HostSide,
  namespace: number,
  problems: Problems,
): Firewall {
  const onRestored = problems.restored('network')
  return inNamespace(namespace, () => new Firewall({ rules, host, namespace, onRestored }))
}

/** Adds the steps that let go of a network; in the kernel it stays. They are in the order in which parts are made. */
export function releaseParts(
  { facts, hold, host, socket, firewall }: NetworkParts,
  steps: AsyncDisposableStack,
): void {
  steps.defer(async () => {
    await hold.release()
    faultPoint('host-released')
  })
  steps.use(host)
  steps.defer(() => {
    closeSync(facts.namespace)
    faultPoint('namespace-closed')
  })
  steps.use(socket)
  steps.use(firewall)
}

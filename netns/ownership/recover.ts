/** Finds and removes what nobody owns: a crash takes the sandboxes with it, but not what has a name. */

import { checkInstance, isInstance } from '../addressing/instance.ts'
import { tableName } from '../addressing/kernel-names.ts'
import { removeDockerRules } from '../firewall/docker-user.ts'
import { removeHostTable } from '../firewall/host-ruleset.ts'
import { NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { listUplinks, removeUplink } from '../topology/uplink.ts'
import { type Claim, isHeld, tryClaim } from './claim.ts'
import { listOwners, namespacePath } from './owner-file.ts'

export interface RecoverOptions {
  instance: string
  /** As it was given to `createNetwork`. */
  runDirectory: string
}

export interface Recovered {
  /** The removed objects, in words. */
  removed: string[]
  /** The networks of this instance that somebody owns, which were left alone. */
  kept: string[]
}

/**
 * Removes every kernel object of an instance that nobody owns: named namespaces, uplinks (their routes go with them),
 * files, and the host's nft table when there is no network left. Nobody owns a network that was given up, either: to
 * keep it, open it first. Objects of a living process are never touched. Blocks for about 20 ms for each uplink.
 */
export async function recover({ instance, runDirectory }: RecoverOptions): Promise<Recovered> {
  checkInstance(instance)
  const removed: string[] = []
  using socket = new NetlinkSocket()
  // Uplinks are listed before owners, since an uplink's name is written into its owner's file before it is made.
  const uplinks = listUplinks(socket, instance)
  for (const owner of listOwners(runDirectory)) {
    // A name without a file belongs to no instance, and to nobody.
    if (owner.instance !== instance && owner.instance !== '') continue
    const { name } = owner
    const claim = tryClaim(runDirectory, name)
    if (claim === undefined) continue
    claim.drop()
    removed.push(`namespace ${namespacePath(runDirectory, name)}`)
  }
  const living = listOwners(runDirectory).filter(
    (owner) => owner.instance === instance && isHeld(runDirectory, owner.name),
  )
  // Uplinks would go by themselves, but later: the kernel is in no hurry to reap a namespace.
  for (const uplink of uplinks) {
    if (living.some((owner) => owner.uplink === uplink.name)) continue
    removeUplink(socket, uplink)
    removed.push(`link ${uplink.name}`)
  }
  // A network that is made at this very moment notices the loss of the table, and puts it back.
  if (living.length === 0) {
    if (await removeHostTable(instance)) removed.push(`nft table inet ${tableName(instance)}`)
    removed.push(...(await removeDockerRules(instance)))
  }
  return { removed, kept: living.map(({ name }) => name) }
}

/** Removes what a dead process left under a name. `claim` is ours already. */
export async function takeOver(claim: Claim, runDirectory: string, instance: string): Promise<void> {
  const { previous } = claim
  claim.clear(instance)
  if (previous.uplink !== undefined) {
    using socket = new NetlinkSocket()
    const uplink = rtnetlink.listLinks(socket).find(({ name }) => name === previous.uplink)
    if (uplink !== undefined) removeUplink(socket, uplink)
  }
  // Its instance may have been derived for that process alone: then nobody else will ever recover it.
  if (previous.instance !== instance && isInstance(previous.instance)) {
    await recover({ instance: previous.instance, runDirectory })
  }
}

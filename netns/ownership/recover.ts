/** Finding and removing what nobody owns: a crash takes the sandboxes with it, but not what has a name. */

import { checkInstance, tableName, uplinkPrefix } from '../addressing/kernel-names.ts'
import { removeDockerRules } from '../firewall/docker-user.ts'
import { removeTable } from '../firewall/nft.ts'
import { NetlinkSocket, rtnetlink, type NetlinkSocket as Socket } from '../kernel/index.ts'
import { type Claim, isHeld, listOwners, namespacePath, tryClaim } from './claim.ts'

export interface RecoverOptions {
  instance: string
  /** As it was given to `createNetwork`. */
  runDirectory: string
}

export interface Recovered {
  /** What was removed, in words. */
  removed: string[]
  /** The networks of this instance that somebody owns, which were left alone. */
  kept: string[]
}

/**
 * Removes every kernel object of an instance that nobody owns: named namespaces, uplinks (their routes go with them),
 * files, and the host's nft table when there is no network left. A network that was given up is owned by nobody, too:
 * whoever wants it opens it first. What a living process has is never touched. Blocks for about 20 ms for each uplink.
 */
export async function recover({ instance, runDirectory }: RecoverOptions): Promise<Recovered> {
  checkInstance(instance)
  const removed: string[] = []
  using socket = new NetlinkSocket()
  // Before the owners: an uplink's name is written into its owner's file before it is made.
  const uplinks = uplinksOf(socket, instance)
  for (const { name, instance: of } of listOwners(runDirectory)) {
    // A name that no file speaks for belongs to no instance, and to nobody.
    if (of !== instance && of !== '') continue
    const claim = tryClaim(runDirectory, name)
    if (claim === undefined) continue
    claim.drop()
    removed.push(`namespace ${namespacePath(runDirectory, name)}`)
  }
  const living = listOwners(runDirectory).filter(
    (owner) => owner.instance === instance && isHeld(runDirectory, owner.name),
  )
  // They would go by themselves, but later: the kernel is in no hurry to reap a namespace.
  for (const { name, index } of uplinks) {
    if (living.some(({ uplink }) => uplink === name)) continue
    removeUplink(socket, index, name)
    removed.push(`link ${name}`)
  }
  const table = tableName(instance)
  // Should somebody begin at this very moment, he notices, and puts it back.
  if (living.length === 0) {
    if (await removeTable(table)) removed.push(`nft table inet ${table}`)
    removed.push(...(await removeDockerRules(instance)))
  }
  return { removed, kept: living.map(({ name }) => name) }
}

const uplinksOf = (socket: Socket, instance: string) =>
  rtnetlink.listLinks(socket).filter(({ name }) => name.startsWith(uplinkPrefix(instance)))

function removeUplink(socket: Socket, index: number, name: string): void {
  socket.apply([rtnetlink.removeLink(index, name)], ['ENODEV'])
}

/** Makes room for a network whose name a dead process held: `claim` is ours already. */
export async function takeOver(claim: Claim, runDirectory: string, instance: string): Promise<void> {
  const { found } = claim
  claim.clear(instance)
  if (found.uplink !== undefined) {
    using socket = new NetlinkSocket()
    const uplink = rtnetlink.listLinks(socket).find(({ name }) => name === found.uplink)
    if (uplink !== undefined) removeUplink(socket, uplink.index, uplink.name)
  }
  // Its instance may be one that was derived for that process alone: nobody else will ever recover it.
  if (found.instance !== instance && /^[0-9a-v]{6}$/.test(found.instance)) {
    await recover({ instance: found.instance, runDirectory })
  }
}

/** Finding and removing what an earlier process left: a crash takes the sandboxes with it, but not what has a name. */
import { removeTable } from './firewall.ts'
import { NetlinkSocket, NetnsError, rtnetlink } from './kernel/index.ts'
import { checkInstance, tableName, uplinkPrefix } from './names.ts'
import { dropName, isAlive, listOwners, namespacePath } from './owner.ts'

export interface RecoverOptions {
  instance: string
  /** As it was given to `createNetwork`. */
  runDirectory: string
}

/**
 * Removes every kernel object of an instance whose process is gone: named namespaces, uplinks (their routes go with
 * them), the host's nft table, files. Blocks for about 20 ms for each uplink.
 *
 * @returns what was removed, in words
 * @throws NetnsError `INSTANCE_IN_USE` when a living process has networks of this instance
 */
export async function recover({ instance, runDirectory }: RecoverOptions): Promise<{ removed: string[] }> {
  checkInstance(instance)
  const owners = listOwners(runDirectory).filter((owner) => owner.instance === instance)
  const living = owners.find(isAlive)
  if (living !== undefined) {
    throw new NetnsError(
      'INSTANCE_IN_USE',
      `process ${living.pid} has the network ${living.name} of instance ${instance}: nothing was removed`,
    )
  }
  const removed: string[] = []
  for (const { name } of owners) {
    dropName(runDirectory, name)
    removed.push(`namespace ${namespacePath(runDirectory, name)}`)
  }
  // The uplinks would go by themselves, but later: the kernel is in no hurry to reap a namespace.
  using socket = new NetlinkSocket()
  for (const { name, index } of rtnetlink.listLinks(socket)) {
    if (name.startsWith(uplinkPrefix(instance)) && removeLink(socket, index, name))
      removed.push(`link ${name}`)
  }
  const table = tableName(instance)
  if (await removeTable(table)) removed.push(`nft table inet ${table}`)
  return { removed }
}

function removeLink(socket: NetlinkSocket, index: number, name: string): boolean {
  try {
    socket.apply([rtnetlink.removeLink(index, name)])
    return true
  } catch (error) {
    if (error instanceof NetnsError && error.errno === 'ENODEV') return false
    throw error
  }
}

/** Makes room for a network whose name a dead process still holds. */
export async function takeOver(runDirectory: string, name: string, instance: string): Promise<void> {
  const owner = listOwners(runDirectory).find((one) => one.name === name)
  if (owner === undefined || isAlive(owner)) return
  // Its instance may be one that was derived for that process alone: nobody else will ever recover it.
  if (
    owner.instance !== instance &&
    /^[0-9a-v]{6}$/.test(owner.instance) &&
    !sharesInstance(runDirectory, owner)
  ) {
    await recover({ instance: owner.instance, runDirectory })
  } else dropName(runDirectory, name)
}

const sharesInstance = (runDirectory: string, { instance }: { instance: string }) =>
  listOwners(runDirectory).some((other) => other.instance === instance && isAlive(other))

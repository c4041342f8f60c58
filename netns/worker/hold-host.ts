/** An instance's part of the host, held by its networks: made by the first of them, removed by the last. */
import { parseSubnet } from '../addressing/addresses.ts'
import { tableName } from '../addressing/kernel-names.ts'
import { defaultUplinkRange } from '../addressing/uplink-addresses.ts'
import { DockerWayOut } from '../firewall/docker-user.ts'
import { makeHostTable, removeHostTable } from '../firewall/host-ruleset.ts'
import { TableGuard } from '../firewall/table-guard.ts'
import { forwardIPv4 } from './host-forwarding.ts'

/** Called when somebody changed the instance's table on the host and it was put back, or could not be. */
export type RestoredListener = (by: string, failure?: Error) => void

export interface HostHold {
  /** The subnet that the addresses of the instance's uplinks are from. */
  readonly uplinkRange: string
  release(): Promise<void>
}

interface HeldHost {
  listeners: Set<RestoredListener>
  uplinkRange: string
  ready: Promise<PreparedHost>
}

interface PreparedHost {
  guard: TableGuard
  docker: DockerWayOut
}

/** By instance. */
const heldHosts = new Map<string, HeldHost>()
/** The removals under way, by instance: a holder that comes meanwhile waits, or its table would be removed. */
const removals = new Map<string, Promise<void>>()

async function prepareHost(
  instance: string,
  listeners: ReadonlySet<RestoredListener>,
): Promise<PreparedHost> {
  await removals.get(instance)?.catch(() => {})
  forwardIPv4()
  const restore = () => makeHostTable(instance)
  const guard = new TableGuard({
    tables: [tableName(instance)],
    restore,
    onRestored: (by, failure) => {
      for (const listener of listeners) listener(by, failure)
    },
  })
  try {
    guard.expect()
    const failed = (error: Error) => {
      for (const listener of listeners) listener('Docker’s firewall', error)
    }
    const [docker, table] = await Promise.allSettled([DockerWayOut.open(instance, failed), restore()])
    if (docker.status === 'rejected') throw docker.reason
    if (table.status === 'fulfilled') return { guard, docker: docker.value }
    await docker.value[Symbol.asyncDispose]()
    throw table.reason
  } catch (error) {
    guard[Symbol.dispose]()
    throw error
  }
}

async function removeHost(instance: string, host: HeldHost): Promise<void> {
  heldHosts.delete(instance)
  const { guard, docker } = await host.ready
  guard[Symbol.dispose]()
  const removal = Promise.all([docker[Symbol.asyncDispose](), removeHostTable(instance)]).then(() => {})
  removals.set(instance, removal)
  try {
    await removal
  } finally {
    if (removals.get(instance) === removal) removals.delete(instance)
  }
}

/** Keeps the instance's table on the host until it is released. */
export async function holdHost(
  instance: string,
  { uplinkRange, onRestored = () => {} }: { uplinkRange?: string; onRestored?: RestoredListener } = {},
): Promise<HostHold> {
  if (uplinkRange !== undefined) parseSubnet(uplinkRange, 31)
  let host = heldHosts.get(instance)
  if (host === undefined) {
    const listeners = new Set<RestoredListener>()
    host = {
      listeners,
      uplinkRange: uplinkRange ?? defaultUplinkRange,
      ready: prepareHost(instance, listeners),
    }
    heldHosts.set(instance, host)
  }
  const { listeners } = host
  // A function of its own for each holder: two may give the same.
  const listener: RestoredListener = (by, failure) => onRestored(by, failure)
  listeners.add(listener)
  try {
    await host.ready
  } catch (error) {
    listeners.delete(listener)
    if (listeners.size === 0 && heldHosts.get(instance) === host) heldHosts.delete(instance)
    throw error
  }
  const heldHost = host
  return {
    uplinkRange: uplinkRange ?? host.uplinkRange,
    async release() {
      if (!listeners.delete(listener) || listeners.size > 0) return
      await removeHost(instance, heldHost)
    },
  }
}

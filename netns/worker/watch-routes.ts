/**
 * Hears when the host's routes change, as they do when a VPN comes up. One monitor serves all networks of the thread.
 */

import { type HostRoutes, readHostRoutes } from '../addressing/read-host.ts'
import { Monitor, NETLINK_ROUTE, NetlinkSocket, rtnetlink } from '../kernel/index.ts'

type Listener = (routes: HostRoutes) => void

const listeners = new Set<Listener>()
let monitor: Monitor | undefined
/** True from a change until its routes are read. */
let reading = false

/** Calls back after each change, until the returned function is called. */
export function watchRoutes(listener: Listener): () => void {
  monitor ??= new Monitor(NETLINK_ROUTE, Object.values(rtnetlink.routeGroups), changed)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    monitor?.close()
    monitor = undefined
  }
}

/** Changes come in bursts: the routes are read once for all that came by then. */
function changed(): void {
  monitor?.drain()
  if (reading) return
  reading = true
  setImmediate(() => {
    reading = false
    if (listeners.size === 0) return
    using socket = new NetlinkSocket()
    const routes = readHostRoutes(socket)
    for (const listener of listeners) listener(routes)
  })
}

/** Hears when the host's routes change, as they do when a VPN comes up. One for all networks of the thread. */

import { Monitor, NETLINK_ROUTE, NetlinkSocket, rtnetlink } from '../kernel/index.ts'
import { type HostView, lookAtHost } from './hold-host.ts'

type Listener = (view: HostView) => void

const listeners = new Set<Listener>()
let monitor: Monitor | undefined
let looking = false

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

/** Changes come in bursts: one look serves for all that came by then. */
function changed(): void {
  monitor?.drain()
  if (looking) return
  looking = true
  setImmediate(() => {
    looking = false
    if (listeners.size === 0) return
    using socket = new NetlinkSocket()
    const view = lookAtHost(socket)
    for (const listener of listeners) listener(view)
  })
}

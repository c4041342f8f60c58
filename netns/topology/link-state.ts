import { setTimeout as sleep } from 'node:timers/promises'
import { type NetlinkSocket, NetnsError, rtnetlink } from '../kernel/index.ts'

/** The kernel's own limit is a second (linkwatch); a link that takes longer is in somebody else's hands. */
const mostLooks = 1500

/**
 * Resolves when these links pass packets, each in its turn. Without it the first packet of a new sandbox may be lost,
 * and a connection then begins a second late, when its SYN is sent again. Sleeps only before Linux 6.8.
 */
export async function linksReady(socket: NetlinkSocket, ...indexes: readonly number[]): Promise<void> {
  for (const index of indexes) {
    for (let looks = 0; looks < mostLooks && !rtnetlink.isReady(socket, index); looks++) await sleep(1)
  }
}

export function linkExists(socket: NetlinkSocket, index: number): boolean {
  try {
    rtnetlink.isReady(socket, index)
    return true
  } catch (error) {
    if (error instanceof NetnsError && error.errno === 'ENODEV') return false
    throw error
  }
}

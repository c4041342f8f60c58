import type { Socket } from 'node:net'
import type { QueryHandler } from '../answering/handle-query.ts'
import type { Clock } from '../clock.ts'
import type { Counts } from '../counters.ts'
import type { Limits } from '../limits.ts'
import { clientKey } from '../wire/address.ts'
import { type Connection, openConnection } from './tcp-connection.ts'
import { createTurns } from './turns.ts'

export interface ConnectionsOptions {
  queries: QueryHandler
  limits: Limits
  clock: Clock
  counts: Counts
}

/** The TCP connections of all listeners, within limits for all of them and for each client. */
export interface Connections {
  accept(socket: Socket): void
  /** Reads no further query; each connection ends with its last answer. */
  finish(): void
  /** Destroys all connections, with queries in flight. */
  destroy(): void
}

const none: ReadonlySet<Connection> = new Set()

export function createConnections({ queries, limits, clock, counts }: ConnectionsOptions): Connections {
  /** In the order of their age, the oldest first. */
  const all = new Set<Connection>()
  const turns = createTurns()
  const byClient = new Map<string, Set<Connection>>()

  /** Tells whether there is room; if not, makes some by closing the oldest idle connection (RFC 7766, 6.2.2). */
  const makeRoom = (connections: ReadonlySet<Connection>, most: number): boolean => {
    if (connections.size < most) return true
    for (const connection of connections) {
      if (!connection.idle) continue
      counts.connectionsRefused++
      connection.destroy()
      return true
    }
    return false
  }

  return {
    accept(socket) {
      const address = socket.remoteAddress
      // The client has reset it before it was accepted.
      if (address === undefined) return void socket.destroy()
      const client = clientKey(address)
      const hasRoom = makeRoom(byClient.get(client) ?? none, limits.connectionsPerClient)
      if (!hasRoom || !makeRoom(all, limits.connections)) {
        counts.connectionsRefused++
        return void socket.destroy()
      }
      counts.connections++
      counts.openConnections++
      const connection = openConnection({ socket, client, queries, limits, clock, counts, turns }, () => {
        all.delete(connection)
        counts.openConnections--
        const ofClient = byClient.get(client)
        ofClient?.delete(connection)
        if (ofClient?.size === 0) byClient.delete(client)
      })
      all.add(connection)
      const ofClient = byClient.get(client)
      if (ofClient === undefined) byClient.set(client, new Set([connection]))
      else ofClient.add(connection)
    },
    finish() {
      for (const connection of all) connection.finish()
    },
    destroy() {
      for (const connection of all) connection.destroy()
    },
  }
}

import { once } from 'node:events'
import { connect } from 'node:net'
import type { Network } from '../../netns/index.ts'
import type { JoinOptions, Member } from './member.ts'

/** A network in which containers get an address: a service network, or the host's own. */
export interface Berths {
  readonly name: string
  readonly network: Pick<Network, 'connectTcp'>
  join(options: JoinOptions): Promise<Omit<Member, 'sandbox' | 'ended' | 'setAliases'>>
}

/**
 * Wraps the host's own network, for hosts where no other may be made: its members have no addresses or names of their
 * own and no isolation, and share the host's ports.
 */
export function hostNetwork(name: string): Berths {
  return {
    name,
    async join() {
      const release = async () => undefined
      return {
        address: '127.0.0.1',
        address6: undefined,
        namespace: `/proc/${process.pid}/ns/net`,
        hostsFile: '/etc/hosts',
        resolvConf: '/etc/resolv.conf',
        hostConf: undefined,
        release,
        [Symbol.asyncDispose]: release,
      }
    },
    network: {
      async connectTcp(address, port, { signal, timeout } = {}) {
        const limits = [signal, timeout === undefined ? undefined : AbortSignal.timeout(timeout)]
        const socket = connect(port, address)
        try {
          await once(socket, 'connect', {
            signal: AbortSignal.any(limits.filter((limit) => limit !== undefined)),
          })
          return socket
        } catch (error) {
          socket.destroy()
          throw error
        }
      },
    },
  }
}

import type { NetworkSettings } from '../../definition/index.ts'
import { asMoorageError, MoorageError } from '../../errors/index.ts'
import {
  type Berths,
  createServiceNetwork,
  hostNetwork,
  NetnsError,
  type ServiceNetwork,
} from '../../network/index.ts'
import type { PersistentNetworks } from './persistent-networks.ts'

export const defaultNetwork = 'default'

/** The networks of a daemon: `default` stays, others are made when first used and removed after their last use. */
export interface Networks {
  /** Holds a network until `release` is called. */
  use(name: string): Promise<{ network: Berths; release: () => Promise<void> }>
  /** False where there are no networks: containers then use the host's (`MOORAGE_SERVICES_DNS=0`). */
  readonly on: boolean
  get(name: string): ServiceNetwork | undefined
  list(): ServiceNetwork[]
  /**
   * Makes a network that stays, also for later daemons, until `remove`. One that is there already is kept from now
   * on.
   *
   * @throws MoorageError NETWORK_EXISTS where it is there with other settings, SUBNET_IN_USE, INVALID_OPTION, …
   */
  create(name: string, settings: NetworkSettings): Promise<ServiceNetwork>
  /** @throws MoorageError NETWORK_NOT_FOUND, NETWORK_IN_USE, INVALID_OPTION for `default` */
  remove(name: string): Promise<void>
  isKept(name: string): boolean
  close(): Promise<void>
}

interface Entry {
  network: Promise<ServiceNetwork>
  ready: ServiceNetwork | undefined
  users: number
}

interface NetworksOptions {
  instance: string
  runDirectory: string
  kept: PersistentNetworks
  /** Settings of the default network; all but the subnet also count in networks that do not set their own. */
  settings: NetworkSettings
}

/** Makes the stand-in for networks that are switched off: every container uses the host's. */
export function withoutNetworks(): Networks {
  return {
    on: false,
    use: async (name) => ({ network: hostNetwork(name), release: async () => undefined }),
    get: () => undefined,
    list: () => [],
    async create() {
      throw new MoorageError('SERVICES_DNS_OFF')
    },
    async remove() {
      throw new MoorageError('SERVICES_DNS_OFF')
    },
    isKept: () => false,
    close: async () => undefined,
  }
}

export function createNetworks({ instance, runDirectory, kept, settings }: NetworksOptions): Networks {
  const entries = new Map<string, Entry>()
  const closing = new Map<string, Promise<void>>()

  const make = async (name: string): Promise<ServiceNetwork> => {
    checkName(name)
    await closing.get(name)
    const { subnet: defaultSubnet, ...common } = settings
    const own = name === defaultNetwork ? settings : { ...common, ...kept.get(name) }
    try {
      return await createServiceNetwork({ name, instance, runDirectory, ...own })
    } catch (error) {
      throw networkError(error, own.subnet ?? defaultSubnet)
    }
  }

  const drop = async (name: string, entry: Entry): Promise<void> => {
    entries.delete(name)
    const closed = entry.network.then((network) => network.close())
    closing.set(
      name,
      closed.finally(() => closing.delete(name)).catch(() => undefined),
    )
    await closed
  }

  const enter = (name: string): Entry => {
    const present = entries.get(name)
    if (present !== undefined) return present
    const entry: Entry = { network: make(name), ready: undefined, users: 0 }
    entry.network.then(
      (network) => {
        entry.ready = network
      },
      () => entries.delete(name),
    )
    entries.set(name, entry)
    return entry
  }
  const stays = (name: string) => name === defaultNetwork || kept.get(name) !== undefined

  return {
    on: true,
    async use(name) {
      const entry = enter(name)
      entry.users += 1
      let held = true
      const release = async () => {
        if (!held) return
        held = false
        entry.users -= 1
        if (entry.users === 0 && !stays(name) && entries.get(name) === entry) await drop(name, entry)
      }
      try {
        return { network: await entry.network, release }
      } catch (error) {
        entry.users -= 1
        throw error
      }
    },
    get: (name) => entries.get(name)?.ready,
    list: () => [...entries.values()].flatMap(({ ready }) => (ready ? [ready] : [])),
    async create(name, requested) {
      const wasKept = kept.get(name) !== undefined
      const present = entries.get(name)
      if (present !== undefined) {
        const network = await present.network
        const difference = differenceOf(network, requested)
        if (difference !== undefined) {
          throw new MoorageError('NETWORK_EXISTS', { network: name, reason: difference })
        }
        if (name !== defaultNetwork && !wasKept) kept.keep(name, requested)
        return network
      }
      checkName(name)
      // Saved first: the network is made with the saved settings.
      kept.keep(name, requested)
      try {
        return await enter(name).network
      } catch (error) {
        kept.forget(name)
        throw error
      }
    },
    async remove(name) {
      if (name === defaultNetwork) {
        throw new MoorageError('INVALID_OPTION', { option: 'network "default"', reason: 'it always stays' })
      }
      const entry = entries.get(name)
      if (entry === undefined && kept.get(name) === undefined) {
        throw new MoorageError('NETWORK_NOT_FOUND', { network: name })
      }
      if (entry !== undefined && entry.users > 0) {
        throw new MoorageError('NETWORK_IN_USE', {
          network: name,
          users: entry.users,
          what: `${entry.users} of its services, runs and ports`,
        })
      }
      kept.forget(name)
      if (entry !== undefined) await drop(name, entry)
    },
    isKept: stays,
    async close() {
      const open = [...entries]
      const settled = await Promise.allSettled([
        ...open.map(([name, entry]) => drop(name, entry)),
        ...closing.values(),
      ])
      const failed = settled.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
      if (failed.length > 0) throw new AggregateError(failed, failed.map(String).join('; '))
    },
  }
}

function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) return
  throw new MoorageError('INVALID_OPTION', {
    option: `network "${name}"`,
    reason: 'a name is of lower-case letters, digits and "-", 40 at most',
  })
}

/**
 * Says in what a network differs from the settings that are asked for; a setting that is not given never differs.
 */
function differenceOf({ network }: ServiceNetwork, { subnet, ipv6, isolation }: NetworkSettings) {
  if (subnet !== undefined && subnet !== network.subnet) return `its subnet is ${network.subnet}`
  if (typeof ipv6 === 'string' && ipv6 !== network.subnet6) return `its IPv6 subnet is ${network.subnet6}`
  if (ipv6 === true && network.subnet6 === undefined) return 'it has no IPv6'
  if (isolation !== undefined && isolation !== network.isolation)
    return `its isolation is ${network.isolation}`
  return undefined
}

function networkError(error: unknown, subnet: string | undefined): MoorageError {
  if (!(error instanceof NetnsError)) return asMoorageError(error)
  const reason = error.message
  if (error.code === 'SUBNET_IN_USE' || error.code === 'BAD_CIDR') {
    return new MoorageError('SUBNET_IN_USE', { subnet: subnet ?? '', reason }, { cause: error })
  }
  if (error.code === 'NO_SUBNET') return new MoorageError('NO_SUBNET', { reason }, { cause: error })
  if (error.code === 'NOT_ROOT') {
    return new MoorageError(
      'NOT_ROOT',
      { what: 'making a network', uid: process.getuid?.() ?? -1 },
      { cause: error },
    )
  }
  return new MoorageError('NETWORK_FAILED', { reason }, { cause: error })
}

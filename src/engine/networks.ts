import { asMoorageError, MoorageError } from '../errors.ts'
import {
  type Berths,
  createServiceNetwork,
  hostNetwork,
  NetnsError,
  type ServiceNetwork,
} from '../network/index.ts'

export const defaultNetwork = 'default'

/** The networks of a daemon: `default` stays, others are made when first used and removed after their last use. */
export interface Networks {
  /** Holds a network until `release` is called. */
  use(name: string): Promise<{ network: Berths; release: () => Promise<void> }>
  /** Whether there are networks; otherwise containers use the host's (`MOORAGE_SERVICES_DNS=0`). */
  readonly on: boolean
  get(name: string): ServiceNetwork | undefined
  list(): ServiceNetwork[]
  close(): Promise<void>
}

interface Entry {
  network: Promise<ServiceNetwork>
  ready: ServiceNetwork | undefined
  users: number
}

export interface NetworksOptions {
  instance: string
  runDirectory: string
  /** Of the default network; others choose their own. */
  subnet?: string
}

/** No networks at all: every container uses the host's. */
export function withoutNetworks(): Networks {
  return {
    on: false,
    use: async (name) => ({ network: hostNetwork(name), release: async () => undefined }),
    get: () => undefined,
    list: () => [],
    close: async () => undefined,
  }
}

export function createNetworks({ instance, runDirectory, subnet }: NetworksOptions): Networks {
  const entries = new Map<string, Entry>()
  const closing = new Map<string, Promise<void>>()

  const make = async (name: string): Promise<ServiceNetwork> => {
    if (!/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) {
      throw new MoorageError('INVALID_OPTION', {
        option: `network "${name}"`,
        reason: 'a name is of lower-case letters, digits and "-", 40 at most',
      })
    }
    await closing.get(name)
    const given = name === defaultNetwork && subnet !== undefined ? { subnet } : {}
    try {
      return await createServiceNetwork({ name, instance, runDirectory, ...given })
    } catch (error) {
      throw networkError(error, subnet)
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

  return {
    on: true,
    async use(name) {
      let entry = entries.get(name)
      if (entry === undefined) {
        const made: Entry = { network: make(name), ready: undefined, users: 0 }
        made.network.then(
          (network) => {
            made.ready = network
          },
          () => entries.delete(name),
        )
        entries.set(name, made)
        entry = made
      }
      entry.users += 1
      const used = entry
      let held = true
      const release = async () => {
        if (!held) return
        held = false
        used.users -= 1
        if (used.users === 0 && name !== defaultNetwork && entries.get(name) === used) await drop(name, used)
      }
      try {
        return { network: await used.network, release }
      } catch (error) {
        used.users -= 1
        throw error
      }
    },
    get: (name) => entries.get(name)?.ready,
    list: () => [...entries.values()].flatMap(({ ready }) => (ready ? [ready] : [])),
    async close() {
      const open = [...entries]
      const settled = await Promise.allSettled([
        ...open.map(([name, entry]) => drop(name, entry)),
        ...closing.values(),
      ])
      const failed = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))
      if (failed.length > 0) throw new AggregateError(failed, failed.map(String).join('; '))
    },
  }
}

function networkError(error: unknown, subnet: string | undefined): MoorageError {
  if (!(error instanceof NetnsError)) return asMoorageError(error)
  const reason = error.message
  if (error.code === 'SUBNET_IN_USE' || error.code === 'BAD_CIDR') {
    return new MoorageError('SUBNET_IN_USE', { subnet: subnet ?? '', reason }, { cause: error })
  }
  if (error.code === 'NOT_ROOT') {
    return new MoorageError(
      'NOT_ROOT',
      { what: 'making a network', uid: process.getuid?.() ?? -1 },
      { cause: error },
    )
  }
  return new MoorageError('NETWORK_FAILED', { reason }, { cause: error })
}

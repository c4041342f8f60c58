import { parseSubnet } from '../addressing/addresses.ts'
import { parseSubnet6 } from '../addressing/addresses6.ts'
import { checkInstance, deriveInstance } from '../addressing/instance.ts'
import { defaultSubnets } from '../addressing/subnets.ts'
import { NetnsError } from '../kernel/index.ts'
import type { Network, NetworkOptions, OpenNetworkOptions } from '../network.ts'
import type { NetworkFacts } from '../worker/network-parts.ts'
import { networkHandle } from './network-handle.ts'
import { holdWorker, type WorkerThread } from './worker-thread.ts'

/** How many networks this process has made or opened so far. */
let networks = 0

/**
 * Makes a network: all of it or, on failure, nothing. Needs root.
 *
 * @example
 * await using net = await createNetwork({ name: 'demo', subnet: '10.88.0.0/16' })
 * await using box = await net.createSandbox()
 * box.spawn('curl', ['http://10.88.0.3'])
 * @throws NetnsError `NOT_ROOT`, `INVALID_NAME`, `BAD_CIDR`, `SUBNET_IN_USE`, `NO_SUBNET`, `NETWORK_EXISTS`, …
 */
export async function createNetwork(options: NetworkOptions): Promise<Network> {
  const { signal, poolSize = 8, runDirectory = '/run/moorage' } = options
  signal?.throwIfAborted()
  const name = checkName(options.name)
  const instance = checkInstance(options.instance ?? deriveInstance(process.pid, runDirectory, name))
  checkSubnets(options)
  requireRoot()
  const { subnet, subnets, ipv6, isolation = 'network', quarantine, portsPerBridge, uplinkRange } = options
  const optional = { subnet, subnets, ipv6, quarantine, portsPerBridge, uplinkRange }
  const request = { name, instance, runDirectory, isolation, ...withoutUndefined(optional) }
  return openHandle({ name, poolSize, signal }, (worker, network) =>
    worker.call('createNetwork', { network, ...request }),
  )
}

/**
 * Opens a network whose process has died or given it up. It keeps name, instance, subnets, gateway, isolation, uplink
 * and the host's route, but neither sandboxes nor grants. Processes that are still in a sandbox are cut off.
 *
 * @throws NetnsError `NETWORK_GONE` when there is none, or it is damaged; `NETWORK_EXISTS` when somebody holds it
 */
export async function openNetwork(options: OpenNetworkOptions): Promise<Network> {
  const { signal, poolSize = 8, runDirectory = '/run/moorage' } = options
  signal?.throwIfAborted()
  const name = checkName(options.name)
  const instance = options.instance === undefined ? {} : { instance: checkInstance(options.instance) }
  requireRoot()
  return openHandle({ name, poolSize, signal }, (worker, network) =>
    worker.call('openNetwork', { network, name, runDirectory, ...instance }),
  )
}

async function openHandle(
  { name, poolSize, signal }: { name: string; poolSize: number; signal: AbortSignal | undefined },
  open: (worker: WorkerThread, network: number) => Promise<NetworkFacts>,
): Promise<Network> {
  const worker = holdWorker()
  const network = networks++
  let result: Network
  try {
    const facts = await open(worker, network)
    result = networkHandle({ name, facts, worker, network, poolSize })
  } catch (error) {
    await worker.release()
    throw error
  }
  if (signal?.aborted) {
    await result.destroy()
    signal.throwIfAborted()
  }
  return result
}

type Defined<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> }

const withoutUndefined = <T extends object>(fields: T) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Defined<T>

/** @throws NetnsError `INVALID_NAME` */
function checkName(name: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(name)) return name
  throw new NetnsError(
    'INVALID_NAME',
    `the network name "${name}" is not one: up to 63 letters, digits, "-" and "_", the first a letter or digit`,
  )
}

function checkSubnets({ subnet, subnets = defaultSubnets, ipv6 }: NetworkOptions): void {
  for (const candidate of subnet === undefined ? subnets : [subnet]) parseSubnet(candidate)
  if (typeof ipv6 === 'string') parseSubnet6(ipv6)
}

function requireRoot(): void {
  const uid = process.geteuid?.() ?? -1
  if (uid !== 0) throw new NetnsError('NOT_ROOT', `making a network needs root; this process has uid ${uid}`)
}

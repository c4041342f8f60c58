import { isIP } from 'node:net'
import { hostnameOf, type ResolveAnswer, type ResolveRequest, type ZoneRow } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { scopedKey } from '../../lifecycle/index.ts'
import type { DnsAnswer, ServiceNetwork } from '../../network/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { defaultNetwork } from '../networks/networks.ts'
import type { PlannedService } from '../plan/planned.ts'
import { portsOf } from '../plan/service-ports.ts'
import type { HostEndpoints } from '../registry/host-endpoints.ts'
import type { CallParts } from './call-parts.ts'
import type { Finder } from './find-service.ts'
import { queryHints } from './query-hints.ts'

/** Makes the calls on names and addresses: a service's hostname and endpoint, the zone's records, DNS queries. */
export function createNameCalls(
  context: EngineContext,
  { callerSignals, plans, endpoints, finder }: CallParts,
): Pick<Engine, 'resolve' | 'records' | 'query'> {
  const { networks } = context
  const records = (network?: string): ZoneRow[] =>
    networks
      .list()
      .filter(({ name }) => network === undefined || name === network)
      .flatMap((each) => each.records().map((record) => ({ ...record, network: each.name })))
  return {
    async resolve(request, caller) {
      using callerSignal = callerSignals.open(caller.signal)
      const service = {
        exec: await plans.exec(request.definition, { ...caller, signal: callerSignal.signal }),
        options: request.service ?? {},
      }
      return endpointOf(context, endpoints, service, request)
    },

    records,

    async query(name, type, options = {}) {
      const { as, network: inNetwork, signal } = options
      if (!networks.on) throw new MoorageError('SERVICES_DNS_OFF')
      const client = as === undefined ? undefined : clientOf(context, finder, as, inNetwork)
      const networkName = inNetwork ?? client?.network ?? defaultNetwork
      const network = networks.get(networkName)
      if (network === undefined) {
        throw new MoorageError('INVALID_OPTION', {
          option: `network "${networkName}"`,
          reason: 'there is none of that name',
        })
      }
      const address = client?.address
      const answer = await askNetwork(network, name, type, withoutUndefined({ as: address, signal }))
      if (answer.status !== 'NXDOMAIN') return { ...answer, as: address ?? null, hints: [] }
      const idOf = (address: string, where: string) => idOfAddress(context, address, where)
      const asker = address === undefined ? undefined : { id: idOf(address, networkName), address }
      const hints = queryHints({ name, network: networkName, client: asker }, records(), idOf)
      return { ...answer, as: address ?? null, hints }
    },
  }
}

/**
 * Returns the address and the network of a client that is named as everywhere, or by its address.
 *
 * @throws MoorageError SERVICE_NOT_FOUND, SERVICE_AMBIGUOUS; SERVICE_NOT_RUNNING for one that has ended
 */
function clientOf(
  { records }: EngineContext,
  finder: Finder,
  client: string,
  network: string | undefined,
): { address: string; network: string | undefined } {
  if (isIP(client) !== 0) {
    const live = records.list().find(({ row, ended }) => row.address === client && !ended.aborted)
    return { address: client, network: live?.row.network }
  }
  const { row, ended } = finder.record(client, network)
  if (row.address === null || ended.aborted)
    throw new MoorageError('SERVICE_NOT_RUNNING', { service: row.id })
  return { address: row.address, network: row.network }
}

/** Asks, and tells a wrong question as what it is. @throws MoorageError INVALID_OPTION */
async function askNetwork(
  network: ServiceNetwork,
  name: string,
  type: string,
  options: { as?: string; signal?: AbortSignal },
): Promise<DnsAnswer> {
  try {
    return await network.query(name, type, options)
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string }
    const option = wrongOptions[code as keyof typeof wrongOptions]
    if (option === undefined) throw error
    throw new MoorageError('INVALID_OPTION', { option, reason: message }, { cause: error })
  }
}

/** What is wrong, by the code of the error of `moorage/dns`. */
const wrongOptions = { INVALID_TYPE: 'type', INVALID_NAME: 'name', INVALID_ADDRESS: 'as' } as const

/** Returns the ID of the run that has an address, or the address where it is not a run's. */
function idOfAddress({ records }: EngineContext, address: string, network: string): string {
  const found = records
    .list()
    .find(({ row, ended }) => !ended.aborted && row.network === network && row.address === address)
  return found?.row.id ?? address
}

/** Returns a service's digest, hostname, ports or endpoint, as the request wants. */
async function endpointOf(
  context: EngineContext,
  endpoints: HostEndpoints,
  service: PlannedService,
  request: ResolveRequest,
): Promise<ResolveAnswer> {
  const { exec, options } = service
  const ports = options.ports ?? []
  if (request.want === 'digest') return { value: exec.digest }
  const hostname = exec.customName === undefined ? exec.hostname : hostnameOf(exec.customName)
  if (request.want === 'hostname') return { value: hostname }
  if (request.want === 'ports') return { value: exec.hostname, ports: portsOf(service) }
  const port = request.port ?? ports[0]?.port ?? exec.root.config.exposedPorts[0]?.port
  if (port === undefined) throw new MoorageError('NO_PORT', { service: hostname })
  const host =
    request.from === 'host'
      ? await hostEndpoint(context, endpoints, service, port, request)
      : `${hostname}:${port}`
  return { value: request.scheme === undefined ? host : `${request.scheme}://${host}` }
}

async function hostEndpoint(
  { services, networks }: EngineContext,
  endpoints: HostEndpoints,
  { exec, options }: PlannedService,
  port: number,
  request: ResolveRequest,
): Promise<string> {
  const name = request.network ?? defaultNetwork
  const key = scopedKey(name, exec.label)
  const running = services.get(key)
  const network = networks.get(name)
  if (running?.address && !networks.on) return `${running.address}:${port}`
  if (!running?.address || !network) throw new MoorageError('SERVICE_NOT_RUNNING', { service: exec.hostname })
  const declared = options.ports?.find((exposed) => exposed.port === port)
  return endpoints.reach({
    network,
    key,
    port,
    protocol: declared?.protocol ?? 'tcp',
    address: () => services.get(key)?.address ?? undefined,
  })
}

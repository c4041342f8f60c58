import { hostnameOf, type ResolveAnswer, type ResolveRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { scopedKey } from '../../lifecycle/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { defaultNetwork } from '../networks/networks.ts'
import type { PlannedService } from '../plan/planned.ts'
import { portsOf } from '../plan/service-ports.ts'
import type { HostEndpoints } from '../registry/host-endpoints.ts'
import { findRow } from '../rows/find-row.ts'
import type { CallParts } from './call-parts.ts'

/** Makes the calls on names and addresses: a service's hostname and endpoint, the zone's records, DNS queries. */
export function createNameCalls(
  context: EngineContext,
  { callerSignals, plans, endpoints }: CallParts,
): Pick<Engine, 'resolve' | 'records' | 'query'> {
  const { networks } = context
  return {
    async resolve(request, caller) {
      using callerSignal = callerSignals.open(caller.signal)
      const service = {
        exec: await plans.exec(request.definition, { ...caller, signal: callerSignal.signal }),
        options: request.service ?? {},
      }
      return endpointOf(context, endpoints, service, request)
    },

    records: (network) =>
      networks
        .list()
        .filter(({ name }) => network === undefined || name === network)
        .flatMap((each) => each.records().map((record) => ({ ...record, network: each.name }))),

    async query(name, type, options = {}) {
      const { as, network: networkName = defaultNetwork, signal } = options
      const network = networks.get(networkName)
      if (!networks.on) throw new MoorageError('SERVICES_DNS_OFF')
      if (network === undefined) {
        throw new MoorageError('INVALID_OPTION', {
          option: `network "${networkName}"`,
          reason: 'there is none of that name',
        })
      }
      const client = as === undefined ? undefined : clientAddress(context, as, network)
      const answer = await network.query(name, type, withoutUndefined({ as: client, signal }))
      return { ...answer, as: client ?? null }
    },
  }
}

/** Returns the address of a client that is named by the ID of its run or service, or by its address. */
function clientAddress({ records }: EngineContext, client: string, network: ServiceNetwork): string {
  if (/^[\d.]+$/.test(client)) return client
  const live = records.list().filter(({ row, ended }) => row.network === network.name && !ended.aborted)
  const { row } = findRow(
    live.map((record) => ({ ...record, network: network.name })),
    client,
    () => true,
    (record) => [record.row.id],
  )
  return row.address ?? client
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

import { hostnameOf, type ResolveAnswer, type ResolveRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import type { Engine } from '../engine.ts'
import { serviceKey } from '../execution/bindings.ts'
import { defaultNetwork } from '../networks/networks.ts'
import type { PlannedService } from '../plan/planned.ts'
import { portsOf } from '../plan/service-ports.ts'
import type { HostEndpoints } from '../registry/host-endpoints.ts'
import { findRow } from '../rows/service-row.ts'
import type { CallParts } from './call-parts.ts'

/** The calls on names and addresses: what a service is called, where it is reached, what the name server says. */
export function naming(
  context: EngineContext,
  { interests, plans, endpoints }: CallParts,
): Pick<Engine, 'resolve' | 'records' | 'query'> {
  const { networks } = context
  return {
    async resolve(request, caller) {
      using interest = interests.open(caller.signal)
      const service = {
        exec: await plans.exec(request.definition, { ...caller, signal: interest.signal }),
        options: request.service ?? {},
      }
      return endpointOf(context, endpoints, service, request)
    },

    records: (network) =>
      networks
        .list()
        .filter(({ name }) => network === undefined || name === network)
        .flatMap((one) => one.records().map((record) => ({ ...record, network: one.name }))),

    async query(name, type, options = {}) {
      const { as, network: wanted = defaultNetwork, signal } = options
      const network = networks.get(wanted)
      if (!networks.on) throw new MoorageError('SERVICES_DNS_OFF')
      if (network === undefined) {
        throw new MoorageError('INVALID_OPTION', {
          option: `network "${wanted}"`,
          reason: 'there is none of that name',
        })
      }
      const from = as === undefined ? undefined : clientAddress(context, as, network)
      const answer = await network.query(name, type, {
        ...(from === undefined ? {} : { as: from }),
        ...(signal === undefined ? {} : { signal }),
      })
      return { ...answer, as: from ?? null }
    },
  }
}

/** A client's address by the ID of its run or service, or as it is. */
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

/** What a definition's service is called, or where it is reached, in the form that is wanted. */
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
  const running = services.get(serviceKey(name, exec))
  const network = networks.get(name)
  if (running?.address && !networks.on) return `${running.address}:${port}`
  if (!running?.address || !network) throw new MoorageError('SERVICE_NOT_RUNNING', { service: exec.hostname })
  const key = serviceKey(name, exec)
  const declared = options.ports?.find((one) => one.port === port)
  return endpoints.reach({
    network,
    key,
    port,
    protocol: declared?.protocol ?? 'tcp',
    address: () => services.get(key)?.address ?? undefined,
  })
}

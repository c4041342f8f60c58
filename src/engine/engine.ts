import { mkdir } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import {
  type Definition,
  type DnsAnswer,
  type EvaluateRequest,
  type ExecOutput,
  type ExecRequest,
  type Explanation,
  hostnameOf,
  type NetworkRow,
  type NetworkSettings,
  type Output,
  type PartOutput,
  type PortForward,
  type Problem,
  type ProgressEvent,
  type ResolveAnswer,
  type ResolveRequest,
  type ResultEvent,
  type RunRow,
  type ServiceRow,
  type StartRequest,
  type ZoneRow,
} from '../definition/index.ts'
import { MoorageError } from '../errors.ts'
import { createImages } from '../images/index.ts'
import { createFlights, createPlaces, createServices, type Lease, systemClock } from '../lifecycle/index.ts'
import { recover as recoverNetworks, type ServiceNetwork } from '../network/index.ts'
import { createOciRuntime, recoverContainers } from '../runtime/oci/index.ts'
import { instanceOf, lockDirectory, openStore } from '../store/index.ts'
import type { Part } from './ancestors.ts'
import { everyMaker } from './ancestors.ts'
import { serviceKey } from './bindings.ts'
import type { Caller, EngineContext, EngineLog } from './context.ts'
import { receiveDirectory } from './directories.ts'
import { evaluateExec } from './evaluate.ts'
import { EventLog } from './events/event-log.ts'
import { Follower } from './events/follower.ts'
import { inOrder } from './events/stories.ts'
import { createTeller } from './events/teller.ts'
import { execInService } from './exec-in-service.ts'
import { explainDifference } from './explain.ts'
import { holdService, publishFor } from './hold-service.ts'
import { createHostEndpoints } from './host-endpoints.ts'
import { Hostnames } from './hostnames.ts'
import { Interests } from './interests.ts'
import { KeptNetworks } from './kept-networks.ts'
import { KeptOutputs } from './kept-outputs.ts'
import { findKnown } from './known.ts'
import { followRun, type LogOptions, type LogPiece, logPieces, replayRun } from './log-pieces.ts'
import { networkRow, networkSettings } from './network-row.ts'
import { createNetworks, defaultNetwork, type Networks, withoutNetworks } from './networks.ts'
import { outputOf } from './output.ts'
import { Pace } from './pace.ts'
import { outputOfPart } from './part-output.ts'
import { type PlannedService, planExec, planPart, type Sources } from './plan.ts'
import { createPlanner, type Planning } from './planner.ts'
import { portsOf } from './ports.ts'
import { Releases } from './release.ts'
import { findRow, type ServiceDescription, serviceRow } from './rows.ts'
import { type RunRecord, RunRecords } from './run-records.ts'
import { idsOf, imagesOf } from './subjects.ts'
import { Turns } from './turns.ts'
import { createVolumes } from './volumes.ts'
import { Waits } from './waits.ts'

export interface EngineOptions {
  /** What is kept: images, layers, results, volumes. @defaultValue `/var/lib/moorage` */
  stateDirectory?: string
  /** Run-time files. @defaultValue `/run/moorage` */
  runDirectory?: string
  /** Of the network `default`; a free one is chosen otherwise. */
  subnet?: string
  /** IPv6 beside IPv4, in all networks that do not say. @defaultValue false */
  ipv6?: boolean
  /** Who reaches a service in networks that do not say: all of the network, or who is bound. @defaultValue `network` */
  isolation?: 'network' | 'bindings'
  /** Grace of services that do not say, in milliseconds. @defaultValue 10000 */
  grace?: number
  /** Stretches every default time limit, for slow machines. @defaultValue 1 */
  timeoutScale?: number
  /** `false`: no networks are made, containers use the host's, and a binding is an error. @defaultValue true */
  servicesDns?: boolean
  /** How many commands run at the same time, services not counted; others wait. @defaultValue 256 */
  maxRuns?: number
  /** How many bytes of a run's output are kept: its beginning and its end. @defaultValue 64 MiB */
  logLimit?: number
  log?: EngineLog
}

const defaultMaxRuns = 256

/** What the daemon serves and what a program can embed: it evaluates definitions and runs their services. */
export interface Engine extends AsyncDisposable {
  readonly instance: string
  readonly stateDirectory: string
  readonly runtime: string
  /** What an earlier daemon had left, removed at the start. */
  readonly recovered: readonly string[]
  /** What goes on. */
  readonly events: EventLog
  evaluate(request: EvaluateRequest, caller: Caller): Promise<ResultEvent>
  /** Starts a service and holds it for `holder` until the lease is released; so it does the ports that lead to it. */
  start(
    request: StartRequest,
    holder: string,
    caller: Caller,
  ): Promise<{ lease: Lease; row: ServiceRow; ports: readonly PortForward[] }>
  stop(id: string, options?: { kill?: boolean; network?: string }): Promise<ServiceRow>
  restart(id: string, options?: { network?: string }): Promise<ServiceRow>
  /** Runs a command in a service, or a run, that goes on. */
  exec(id: string, request: ExecRequest, caller: Caller, network?: string): Promise<ResultEvent>
  resolve(request: ResolveRequest, caller: Caller): Promise<ResolveAnswer>
  services(): ServiceRow[]
  service(id: string, network?: string): ServiceRow
  runs(): RunRow[]
  /** What is remembered of a service or a run: the events of its last lives. @throws MoorageError SERVICE_NOT_FOUND */
  history(id: string, network?: string): ProgressEvent[]
  /** In which fields two of them differ. @throws MoorageError SERVICE_NOT_FOUND */
  explain(a: string, b: string, network?: string): Explanation
  networks(): NetworkRow[]
  /** @throws MoorageError NETWORK_NOT_FOUND */
  network(name: string): NetworkRow
  /** Makes a network that stays, by later daemons too, until it is removed. @throws MoorageError NETWORK_EXISTS, … */
  createNetwork(name: string, settings: NetworkSettings): Promise<NetworkRow>
  /** @throws MoorageError NETWORK_NOT_FOUND, NETWORK_IN_USE */
  removeNetwork(name: string): Promise<void>
  problems(): Problem[]
  /** How much is going on: services that live, and runs. */
  busy(): number
  /** What a service or a run has written; with `follow` as it is written. */
  logs(id: string, options: LogOptions & { network?: string }): AsyncIterable<LogPiece>
  records(network?: string): ZoneRow[]
  query(
    name: string,
    type: string,
    options?: { as?: string; network?: string; signal?: AbortSignal },
  ): Promise<DnsAnswer>
  missingDirectories(digests: readonly string[]): string[]
  receiveDirectory(digest: string, tar: Readable, signal: AbortSignal): Promise<void>
  /** Stops everything in order, within `timeout` milliseconds, and frees all that was acquired. */
  close(options?: { timeout?: number }): Promise<void>
}

/** From one health check to the next, of all services together, in milliseconds. */
const probeInterval = 1

/** From the start of a drain to SIGKILL for what is left. */
const drainTimeout = 30_000

/**
 * Makes an engine on a state directory, after removing what an earlier one left in the kernel.
 *
 * @throws MoorageError NOT_ROOT, STATE_LOCKED, SUBNET_IN_USE, DISK_LOW, DISK_FULL, RUNTIME_MISSING, NETWORK_FAILED
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const {
    stateDirectory = '/var/lib/moorage',
    runDirectory = '/run/moorage',
    grace,
    timeoutScale,
    servicesDns = true,
  } = options
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) throw new MoorageError('NOT_ROOT', { what: 'running containers', uid })
  const log: EngineLog = options.log ?? (() => undefined)
  const releases = new Releases()
  try {
    await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
    await mkdir(runDirectory, { recursive: true, mode: 0o755 })
    // Before anything is touched: what is found below may be another daemon's, alive.
    const lock = await lockDirectory(stateDirectory)
    releases.add('unlock the state directory', () => lock.release())
    const instance = instanceOf(stateDirectory)
    const containers = await recoverContainers({ instance, runDirectory })
    const { removed } = await recoverNetworks({ instance, runDirectory })
    const recovered = [...containers.killed.map((pid) => `process ${pid}`), ...containers.removed, ...removed]

    const store = await openStore(stateDirectory)
    releases.add('close the store', () => store.close())
    const kept = new KeptNetworks(stateDirectory)
    const networks = servicesDns
      ? createNetworks({ instance, runDirectory, kept, settings: networkSettings(options) })
      : withoutNetworks()
    releases.add('close the networks', () => networks.close())
    // Side by side: the launcher's start is the longest of it.
    const [runtime, network] = await Promise.allSettled([
      createOciRuntime({
        instance,
        runDirectory,
        logger: { warn: (fields, message) => log('warn', message, fields) },
      }),
      networks.use(defaultNetwork),
      ...(servicesDns ? kept.names() : []).map((name) => openKept(networks, name, log)),
    ])
    if (runtime.status === 'fulfilled') releases.add('close the runtime', () => runtime.value.close())
    if (runtime.status === 'rejected') throw runtime.reason
    if (network.status === 'rejected') throw network.reason

    const pending = new Set<Promise<void>>()
    releases.add('finish the clean-ups', () => Promise.all(pending))
    const background = (what: string, work: Promise<unknown>) => {
      const tracked = work.then(
        () => undefined,
        (error) => log('error', what, { error: String(error) }),
      )
      pending.add(tracked)
      void tracked.then(() => pending.delete(tracked))
    }
    const events = new EventLog()
    const tell = createTeller(events)
    const images = createImages({ store, onNews: tell.image })
    releases.add('close the images', () => images.close())
    const services = createServices({
      clock: systemClock,
      onNews: tell.service,
      ...(grace === undefined ? {} : { defaultGrace: grace }),
      ...(timeoutScale === undefined ? {} : { timeoutScale }),
    })
    const waits = new Waits()
    const records = new RunRecords()
    releases.add('close the logs', async () => records[Symbol.dispose]())
    const context: EngineContext = {
      store,
      images,
      runtime: runtime.value,
      flights: createFlights({
        onUnheard: (error) => log('error', 'a run that nobody waited for', { error: String(error) }),
      }),
      services,
      networks,
      records,
      logLimit: options.logLimit,
      events,
      tell,
      turns: new Turns(),
      probing: new Pace(probeInterval),
      volumes: createVolumes({ store, services: () => services, waits }),
      waits,
      hostnames: new Hostnames(),
      places: createPlaces(options.maxRuns ?? defaultMaxRuns),
      background,
      log,
    }
    return engine(context, { instance, stateDirectory, recovered, releases })
  } catch (error) {
    await releases.run()
    throw error
  }
}

/** One that cannot be made now, its subnet being somebody else's by now, is no reason for having none. */
async function openKept(networks: Networks, name: string, log: EngineLog): Promise<void> {
  try {
    const { release } = await networks.use(name)
    await release()
  } catch (error) {
    log('error', 'a kept network could not be made', { network: name, error: String(error) })
  }
}

interface EngineParts {
  instance: string
  stateDirectory: string
  recovered: readonly string[]
  releases: Releases
}

function engine(
  context: EngineContext,
  { instance, stateDirectory, recovered, releases }: EngineParts,
): Engine {
  const { store, services, networks, records, flights } = context
  const endpoints = createHostEndpoints()
  const closing = new AbortController()
  const interests = new Interests()
  const plans = { exec: createPlanner(planExec), part: createPlanner(planPart) }
  const outputs = new KeptOutputs()
  releases.add('close the tunnels', () => endpoints.close())

  /** Plans, and lets the follower watch all that the plan is about. */
  const plan = async <Planned extends Part>(
    planning: Planning<Planned>,
    definition: Definition,
    caller: Caller,
    follower?: Follower,
  ): Promise<Planned> => {
    follower?.watch(imagesOf(definition))
    await context.turns.take()
    const found = await planning(definition, sourcesFor(context, caller))
    if (!networks.on && isBound(found)) throw new MoorageError('SERVICES_DNS_OFF')
    follower?.watch(idsOf(found))
    return found
  }

  const rows = (): ServiceRow[] => services.list().map(serviceRow)
  const serviceOf = (id: string, network = defaultNetwork): ServiceRow => {
    const named = rows().filter((row) => row.network === network)
    return findRow(named, id, isLive, (row) => [row.name, row.hostname, ...row.aliases])
  }
  const known = (id: string, network: string) =>
    findKnown(id, network, {
      services: services.list().map((snapshot) => ({
        row: serviceRow(snapshot),
        exec: (snapshot.describe as ServiceDescription).service.exec,
      })),
      records: records.list(),
    })
  const keyOf = (row: ServiceRow) => `${row.network}/${row.label}`

  /** The newest run that a person means, a live one first. */
  const recordOf = (id: string, network = defaultNetwork) => {
    const all = records
      .list()
      .filter(({ row }) => row.network === network)
      .map((record) => ({ record, ...record, network: record.row.network }))
    const labelled = new Set(rows().flatMap((row) => (names(row).includes(id) ? [row.label] : [])))
    return findRow(
      all,
      id,
      (record) => !record.ended.aborted,
      (record) => [record.row.id, ...(labelled.has(record.label) ? [id] : [])],
    )
  }

  const self: Engine = {
    instance,
    stateDirectory,
    runtime: context.runtime.name,
    recovered,
    events: context.events,
    async evaluate(request, given) {
      // An evaluation ends when the engine closes, too.
      using interest = interests.open(given.signal)
      const caller = { ...given, signal: interest.signal }
      const network = request.network ?? defaultNetwork
      const { output } = request
      using follower = new Follower(context.events, { network, onEvent: caller.onEvent })
      if (!isExecOutput(output) || !isExec(request.definition)) {
        const part = await plan(plans.part, request.definition, caller, follower)
        if (isPartOutput(output))
          return await outputOfPart(context, { part, output, limit: request.limit, network, caller })
        throw new MoorageError('INVALID_REQUEST', { reason: `only a command has the output "${output}"` })
      }
      const exec = await plan(plans.exec, request.definition, caller, follower)
      if (exec.hostPorts) {
        throw new MoorageError('INVALID_DEFINITION', { reason: 'ports of the host have no output' })
      }
      let following: Promise<void> | undefined
      let running: RunRecord | undefined
      await using published = await publishFor(context, network, request.publish ?? [], () =>
        running?.ended.aborted || running?.row.network !== network
          ? undefined
          : (running.row.address ?? undefined),
      )
      if (published.ports.length > 0) caller.onEvent({ type: 'ports', ports: [...published.ports] })
      const outcome = await evaluateExec(context, {
        exec,
        network,
        caller,
        onRun(record) {
          running = record
          if (!request.logs) return
          following = followRun(context, record, caller)
          following.catch(() => undefined)
        },
      })
      try {
        if (request.logs) {
          const run = { run: exec.label, startedAt: outcome.cachedAt ?? Date.now() }
          await (following ?? replayRun(outcome.logs, run, caller))
        }
        const value = await outputOf(exec, outcome, output, outputs)
        return {
          type: 'result',
          value,
          exitCode: outcome.exitCode,
          ...(outcome.cachedAt === undefined
            ? {}
            : { cachedAge: Math.max(0, Date.now() - outcome.cachedAt) }),
        }
      } finally {
        context.background('let go of a layer', outcome.release())
      }
    },

    async start(request, holder, given) {
      // An evaluation ends when the engine closes, too.
      using interest = interests.open(given.signal)
      const caller = { ...given, signal: interest.signal }
      const network = request.network ?? defaultNetwork
      using follower = new Follower(context.events, { network, holder, onEvent: caller.onEvent })
      const exec = await plan(plans.exec, request.definition, caller, follower)
      const service = { exec, options: request.service }
      const held = await holdService(context, {
        service,
        network,
        holder,
        caller,
        publish: request.publish ?? [],
      })
      const row = services.get(serviceKey(network, exec))
      return { ...held, row: row ? serviceRow(row) : serviceOf(exec.label, network) }
    },

    async stop(id, options = {}) {
      const row = serviceOf(id, options.network)
      await services.stop(keyOf(row), { kill: options.kill ?? false })
      return serviceOf(row.label, row.network)
    },

    async restart(id, options = {}) {
      const row = serviceOf(id, options.network)
      await services.restart(keyOf(row))
      return serviceOf(row.label, row.network)
    },

    async resolve(request, caller) {
      using interest = interests.open(caller.signal)
      const service = {
        exec: await plan(plans.exec, request.definition, { ...caller, signal: interest.signal }),
        options: request.service ?? {},
      }
      return resolve(service, request)
    },

    services: rows,
    service: serviceOf,
    runs: () => records.list().flatMap(({ kind, row }) => (kind === 'exec' ? [row] : [])),
    history(id, network = defaultNetwork) {
      const stories = context.events.stories.of(known(id, network).label, network)
      return inOrder(stories.flatMap(({ states, holders }) => [...states, ...holders]))
    },
    networks: () => networks.list().map((one) => networkRow(one, networks)),
    network(name) {
      const found = networks.get(name)
      if (found === undefined) throw new MoorageError('NETWORK_NOT_FOUND', { network: name })
      return networkRow(found, networks)
    },
    createNetwork: async (name, settings) => networkRow(await networks.create(name, settings), networks),
    removeNetwork: (name) => networks.remove(name),
    problems: () => [
      ...(networks.on ? [] : [problemOf(new MoorageError('SERVICES_DNS_OFF'))]),
      ...networks
        .list()
        .flatMap(({ name, network }) =>
          network.problems.map(({ message }) =>
            problemOf(new MoorageError('NETWORK_PROBLEM', { network: name, problem: message })),
          ),
        ),
    ],
    explain(a, b, network = defaultNetwork) {
      const [one, other] = [known(a, network), known(b, network)]
      return {
        a: one.label,
        b: other.label,
        differences: explainDifference(one.exec, other.exec),
      }
    },
    busy: () => rows().filter(isLive).length + flights.size,

    async exec(id, request, given, network) {
      using interest = interests.open(given.signal)
      const found = recordOf(id, network)
      return await execInService(context, found.record, request, { ...given, signal: interest.signal })
    },

    async *logs(id, { network, ...options }) {
      const found = recordOf(id, network)
      yield* logPieces(context, found.record, {
        ...options,
        signal: AbortSignal.any([options.signal, closing.signal]),
        isLive: ({ label, row }) =>
          rows().some((one) => isLive(one) && keyOf(one) === `${row.network}/${label}`),
      })
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
      const from = as === undefined ? undefined : addressOf(as, network)
      const answer = await network.query(name, type, {
        ...(from === undefined ? {} : { as: from }),
        ...(signal === undefined ? {} : { signal }),
      })
      return { ...answer, as: from ?? null }
    },

    missingDirectories: (digests) => digests.filter((digest) => !store.trees.has(digest)),
    receiveDirectory: (digest, tar, signal) => receiveDirectory(store, digest, tar, signal),

    async close({ timeout = drainTimeout } = {}) {
      const reason = new MoorageError('DAEMON_STOPPING')
      closing.abort(reason)
      interests.end(reason)
      try {
        await services.drain({ timeout })
      } finally {
        await releases.run()
      }
    },
    [Symbol.asyncDispose]: () => self.close(),
  }

  /** A client's address by the ID of its run or service, or as it is. */
  const addressOf = (client: string, network: ServiceNetwork): string => {
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

  const resolve = async (service: PlannedService, request: ResolveRequest) => {
    const { exec, options } = service
    const ports = options.ports ?? []
    if (request.want === 'digest') return { value: exec.digest }
    const hostname = exec.customName === undefined ? exec.hostname : hostnameOf(exec.customName)
    if (request.want === 'hostname') return { value: hostname }
    if (request.want === 'ports') return { value: exec.hostname, ports: portsOf(service) }
    const port = request.port ?? ports[0]?.port ?? exec.root.config.exposedPorts[0]?.port
    if (port === undefined) throw new MoorageError('NO_PORT', { service: hostname })
    const host = request.from === 'host' ? await hostEndpoint(service, port, request) : `${hostname}:${port}`
    return { value: request.scheme === undefined ? host : `${request.scheme}://${host}` }
  }

  const hostEndpoint = async (
    { exec, options }: PlannedService,
    port: number,
    request: ResolveRequest,
  ): Promise<string> => {
    const name = request.network ?? defaultNetwork
    const running = services.get(serviceKey(name, exec))
    const network = networks.get(name)
    if (running?.address && !networks.on) return `${running.address}:${port}`
    if (!running?.address || !network)
      throw new MoorageError('SERVICE_NOT_RUNNING', { service: exec.hostname })
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

  return self
}

function sourcesFor(context: EngineContext, caller: Caller): Sources {
  return {
    image: (ref, pull) =>
      context.images.resolve(ref, { signal: caller.signal, ...(pull === undefined ? {} : { pull }) }),
    tree(digest) {
      if (!context.store.trees.has(digest)) throw new MoorageError('BLOB_MISSING', { digest })
      return context.store.trees.path(digest)
    },
  }
}

function isExec({ ops, root }: Definition): boolean {
  return ops[root]?.op === 'exec'
}

/** Whether it, or anything that it is made of, is bound to a service. */
function isBound(part: Part): boolean {
  return everyMaker(part).some(({ bindings }) => bindings.length > 0)
}

function isExecOutput(output: Output): output is ExecOutput {
  return ['stdout', 'stderr', 'exitCode', 'sync'].includes(output)
}

function isPartOutput(output: Output): output is PartOutput {
  return output === 'sync' || !isExecOutput(output)
}

function problemOf({ code, message, hint }: MoorageError): Problem {
  return { code, message, hint }
}

function isLive({ state }: ServiceRow): boolean {
  return state !== 'stopped' && state !== 'failed'
}

function names(row: Pick<ServiceRow, 'name' | 'hostname' | 'aliases'>): string[] {
  return [row.name, row.hostname, ...row.aliases]
}

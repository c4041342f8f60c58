import { join } from 'node:path'
import { createFlights, type UnheardFailure } from '../concurrency/index.ts'
import { MoorageError } from '../errors/index.ts'
import { createImages } from '../images/index.ts'
import { createPlaces, createServices, defaultTimeouts, systemClock } from '../lifecycle/index.ts'
import { makeChosenDirectory } from '../make-directory.ts'
import { recover as recoverNetworks } from '../network/index.ts'
import {
  checkCapabilities,
  checkCgroups,
  checkOverlay,
  createOciRuntime,
  recoverContainers,
  tryContainer,
} from '../runtime/oci/index.ts'
import { instanceOf, lockDirectory, openStore } from '../store/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import type { EngineContext, EngineLog } from './context.ts'
import type { EngineOptions } from './engine.ts'
import { EventLog } from './events/event-log.ts'
import { createEventReporter } from './events/event-reporter.ts'
import { withEvaluator } from './execution/with-evaluator.ts'
import { createNetworks, defaultNetwork, type Networks, withoutNetworks } from './networks/networks.ts'
import { PersistentNetworks } from './networks/persistent-networks.ts'
import { EventLoopTurns } from './pacing/event-loop-turns.ts'
import { RateLimit } from './pacing/rate-limit.ts'
import { Hostnames } from './registry/hostnames.ts'
import { PublishedIndex } from './registry/published-ports.ts'
import { RunRecords } from './registry/run-records.ts'
import { createVolumeLocks } from './registry/volume-locks.ts'
import { WaitGraph } from './registry/wait-graph.ts'
import { Releases } from './release.ts'

const defaultMaxRuns = 256

/** From one health check to the next, of all services together, in milliseconds. */
const probeInterval = 1

/** The parts of an engine, and the steps that give them back when it closes. */
export interface OpenEngine {
  readonly context: EngineContext
  readonly instance: string
  readonly stateDirectory: string
  /** The names of what an earlier daemon had left, removed now. */
  readonly recovered: readonly string[]
  readonly releases: Releases
}

/**
 * Takes the state directory for this process, removes what an earlier one left in the kernel, and opens all that the
 * calls share.
 *
 * @throws MoorageError NOT_ROOT, HOST_UNSUITABLE, STATE_LOCKED, SUBNET_IN_USE, DISK_LOW, DISK_FULL, RUNTIME_MISSING, NETWORK_FAILED
 */
export async function openEngine(options: EngineOptions): Promise<OpenEngine> {
  const {
    stateDirectory = '/var/lib/moorage',
    runDirectory = '/run/moorage',
    subnet,
    ipv6,
    isolation,
    grace,
    timeoutScale,
    servicesDns = true,
  } = options
  const uid = process.getuid?.() ?? -1
  if (uid !== 0) throw new MoorageError('NOT_ROOT', { what: 'running containers', uid })
  checkCapabilities()
  const log: EngineLog = options.log ?? (() => undefined)
  const releases = new Releases()
  try {
    await makeChosenDirectory(`--state-dir ${stateDirectory}`, stateDirectory, 0o700)
    await makeChosenDirectory(`--runtime-dir ${runDirectory}`, runDirectory, 0o755)
    // Before anything is touched: what is found below may be a living daemon's.
    const lock = await lockDirectory(stateDirectory)
    releases.add('unlock the state directory', () => lock.release())
    const instance = instanceOf(stateDirectory)
    checkCgroups(`moorage-try-${instance}`)
    const containers = await recoverContainers({ instance, runDirectory })
    const { removed } = await recoverNetworks({ instance, runDirectory })
    const recovered = [...containers.killed.map((pid) => `process ${pid}`), ...containers.removed, ...removed]

    const store = await openStore(stateDirectory)
    releases.add('close the store', () => store.close())
    checkOverlay(stateDirectory, join(stateDirectory, 'tmp'))
    await tryContainer(join(stateDirectory, 'tmp'), runDirectory)
    const persistent = new PersistentNetworks(stateDirectory)
    const networks = servicesDns
      ? createNetworks({
          instance,
          runDirectory,
          kept: persistent,
          settings: withoutUndefined({ subnet, ipv6, isolation }),
        })
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
      ...(servicesDns ? persistent.names() : []).map((name) => openKept(networks, name, log)),
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
    const report = createEventReporter(events)
    const images = createImages({ store, onNews: report.image })
    releases.add('close the images', () => images.close())
    const published = new PublishedIndex()
    const services = createServices({
      clock: systemClock,
      onNews: (news) => {
        report.service(news)
        if (news.kind === 'state') background('open or shut published ports', published.follow(news))
      },
      ...withoutUndefined({ defaultGrace: grace, timeoutScale }),
    })
    const waits = new WaitGraph()
    const records = new RunRecords()
    releases.add('close the logs', async () => records[Symbol.dispose]())
    const context = withEvaluator({
      store,
      images,
      runtime: runtime.value,
      flights: createFlights({
        onUnheard: logUnheard(log),
      }),
      services,
      networks,
      records,
      interruptTimeout: defaultTimeouts(timeoutScale).interrupt,
      logLimit: options.logLimit,
      events,
      report,
      turns: new EventLoopTurns(),
      probing: new RateLimit(probeInterval),
      published,
      volumes: createVolumeLocks({ store, services: () => services, waits }),
      waits,
      hostnames: new Hostnames(),
      places: createPlaces(options.maxRuns ?? defaultMaxRuns),
      background,
      log,
    })
    return { context, instance, stateDirectory, recovered, releases }
  } catch (error) {
    await releases.run()
    throw error
  }
}

/** Logs the failure of a run that nobody waited for any more. */
export function logUnheard(log: EngineLog): (failure: UnheardFailure) => void {
  return ({ key, error }) =>
    log('error', 'a run that nobody waited for failed', { run: key, error: String(error) })
}

/** Makes a network that somebody made before. If it cannot be made now, as when its subnet is taken, others can. */
async function openKept(networks: Networks, name: string, log: EngineLog): Promise<void> {
  try {
    const { release } = await networks.use(name)
    await release()
  } catch (error) {
    log('error', 'a kept network could not be made', { network: name, error: String(error) })
  }
}

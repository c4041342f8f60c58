import type { PortForward } from '../../definition/index.ts'
import { type Lease, scopedKey } from '../../lifecycle/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import { enterServiceNetwork } from '../networks/enter-network.ts'
import { type PublishedPorts, publishPorts, reservePorts } from '../registry/published-ports.ts'
import { Releases } from '../release.ts'
import { type AcquireService, acquireService } from './bindings.ts'

/** A service that is held, with the ports of the host that lead to it as long as it is. */
export interface HeldService {
  readonly lease: Lease
  readonly ports: readonly PortForward[]
}

/**
 * Acquires a lease on a service, and publishes ports that lead to it. The ports are reserved first: one that cannot be
 * had fails before anything is started. They refuse clients until the service is healthy, and again while it restarts;
 * then they lead to its new address. They go with the lease.
 *
 * @throws MoorageError PORT_UNUSABLE, and what `acquireService` throws
 */
export async function holdService(
  context: EngineContext,
  { publish, ...request }: AcquireService & { publish: readonly PortForward[] },
): Promise<HeldService> {
  if (publish.length === 0) return { lease: await acquireService(context, request), ports: [] }
  const key = scopedKey(request.network, request.service.exec.label)
  const address = () => context.services.get(key)?.address ?? undefined
  const reserved = await inNetwork(context, request.network, (network) =>
    reservePorts(network, publish, address),
  )
  let lease: Lease | undefined
  let unlist = () => {}
  try {
    lease = await acquireService(context, request)
    unlist = context.published.add(key, reserved.ports, { gate: reserved })
    // As it is by now: it may have ended or begun to restart already.
    await context.published.follow({ key, to: context.services.get(key)?.state ?? 'stopped' })
  } catch (error) {
    lease?.release()
    await reserved.close().finally(unlist)
    throw error
  }
  return hold(context, lease, reserved, unlist)
}

/** Makes one thing of a lease and its ports. */
function hold(
  context: EngineContext,
  lease: Lease,
  published: PublishedPorts,
  unlist: () => void,
): HeldService {
  let held = true
  const release = () => {
    if (!held) return
    held = false
    // Listed until they are closed: whoever waits for that asks for the list.
    context.background('close published ports', published.close().finally(unlist))
    lease.release()
  }
  void lease.lost.then(release)
  return {
    ports: published.ports,
    lease: {
      key: lease.key,
      lost: lease.lost,
      get address() {
        return lease.address
      },
      release,
      [Symbol.dispose]: release,
    },
  }
}

/** Opens ports that lead into a network, which is held as long as they are open. No ports need no network. */
export async function publishFor(
  context: EngineContext,
  name: string,
  ports: readonly PortForward[],
  address: () => string | undefined,
): Promise<PublishedPorts> {
  const close = async () => undefined
  if (ports.length === 0) return { ports: [], close, [Symbol.asyncDispose]: close }
  return await inNetwork(context, name, (network) => publishPorts(network, ports, address))
}

/** Opens ports in a network, which is held until they are closed. */
async function inNetwork<T extends PublishedPorts>(
  context: EngineContext,
  name: string,
  publish: (network: ServiceNetwork) => Promise<T>,
): Promise<T> {
  const releases = new Releases()
  const close = () => releases.run()
  try {
    const published = await publish(await enterServiceNetwork(context, name, releases))
    releases.add('close published ports', () => published.close())
    return { ...published, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

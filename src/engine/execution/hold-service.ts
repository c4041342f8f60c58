import type { PortForward } from '../../definition/index.ts'
import { type Lease, scopedKey } from '../../lifecycle/index.ts'
import type { EngineContext } from '../context.ts'
import { enterServiceNetwork } from '../networks/enter-network.ts'
import { type PublishedPorts, publishPorts } from '../registry/published-ports.ts'
import { Releases } from '../release.ts'
import { type AcquireService, acquireService } from './bindings.ts'

/** A service that is held, with the ports of the host that lead to it as long as it is. */
export interface HeldService {
  readonly lease: Lease
  readonly ports: readonly PortForward[]
}

/**
 * Acquires a lease on a service, and opens ports that lead to it. The ports come first: one that cannot be opened fails
 * before anything is started. They follow the service when it restarts, and go with the lease.
 *
 * @throws MoorageError PORT_UNUSABLE, and what `acquireService` throws
 */
export async function holdService(
  context: EngineContext,
  { publish, ...request }: AcquireService & { publish: readonly PortForward[] },
): Promise<HeldService> {
  const key = scopedKey(request.network, request.service.exec.label)
  const published = await publishFor(
    context,
    request.network,
    publish,
    () => context.services.get(key)?.address ?? undefined,
  )
  let lease: Lease
  try {
    lease = await acquireService(context, request)
  } catch (error) {
    await published.close()
    throw error
  }
  if (publish.length === 0) {
    await published.close()
    return { lease, ports: [] }
  }
  const unlist = context.published.add(key, published.ports)
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
  const releases = new Releases()
  const close = () => releases.run()
  if (ports.length === 0) return { ports: [], close, [Symbol.asyncDispose]: close }
  try {
    const network = await enterServiceNetwork(context, name, releases)
    const published = await publishPorts(network, ports, address)
    releases.add('close published ports', () => published.close())
    return { ports: published.ports, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

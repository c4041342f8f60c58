import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { layerWaiter, type Waiter } from '../registry/wait-graph.ts'
import { Releases } from '../release.ts'
import { keepForHolders, type LayerHolders, storedLayerHolders } from './layer-holders.ts'
import type { LayerPlace } from './tree.ts'

/** Who asks for a filesystem, and the releases of what is held for it. */
export interface FilesystemRequest {
  network: string
  /** The one that waits for it. */
  waiter: Waiter
  caller: Caller
  releases: Releases
}

/** The result of a flight, shared by its callers. */
interface MadeLayer {
  readonly layer: string
  readonly holders: LayerHolders
}

/**
 * Returns the layer of a vertex: from the store, or made once for all who ask for it at the same time, and stored
 * under its digest. If it fails, nothing of it is left. The layer is held until `releases` run.
 */
export async function layerOf(
  context: EngineContext,
  { digest, noCache }: { digest: string; noCache: boolean },
  { network, waiter, caller, releases }: FilesystemRequest,
  make: (place: LayerPlace, shared: FilesystemRequest) => Promise<void>,
): Promise<string> {
  const stored = noCache ? undefined : context.store.results.get(digest)
  if (stored !== undefined) return stored.layer
  const maker = layerWaiter(digest, network)
  using _waits = context.waits.add(waiter, maker)
  const shared = await context.flights.join<MadeLayer>(
    `${network}/${digest}/layer`,
    async ({ signal }) => {
      const held = new Releases()
      const place = await context.store.temporary()
      try {
        context.store.ensureSpace()
        const layer = join(place, 'layer')
        const shared = {
          network,
          waiter: maker,
          caller: { signal, onEvent: () => undefined },
          releases: held,
        }
        await make({ layer, work: join(place, 'work') }, shared)
        signal.throwIfAborted()
        return noCache
          ? await keepForHolders(context.store, layer, signal)
          : await store(context, digest, layer, place)
      } finally {
        await rm(place, { recursive: true, force: true })
        context.background('clean up after making a layer', held.run())
      }
    },
    { signal: caller.signal },
  )
  releases.add('let go of a layer', shared.holders.hold())
  return shared.layer
}

async function store(
  context: EngineContext,
  digest: string,
  layer: string,
  place: string,
): Promise<MadeLayer> {
  // An empty log, since nothing has run.
  const logs = join(place, 'logs')
  await mkdir(logs)
  const stored = await context.store.results.adopt({ digest, upper: layer, logs, exitCode: 0 })
  return { layer: stored.layer, holders: storedLayerHolders() }
}

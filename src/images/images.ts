import { createFlights, type Flights } from '../concurrency/index.ts'
import { asMoorageError } from '../errors/index.ts'
import type { ImageConfig, Store, StoredImage } from '../store/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { buildFromPackages } from './debian/debian-packages.ts'
import type { Bytes, OnProgress, Working } from './progress.ts'
import { parseReference, type Reference, type RegistryReference } from './reference.ts'
import { createRegistry } from './registry.ts'
import type { RegistryOptions } from './skopeo.ts'

/** An image that is stored and can be used. */
export interface ResolvedImage {
  /** The reference as it was given. */
  ref: string
  /** The digest that the reference is pinned to. */
  digest: string
  /** The directory of its root filesystem: read only, and shared by all. */
  rootfs: string
  config: ImageConfig
  /** For people: `redis`. */
  name: string
}

interface ResolveOptions {
  /** Ask the registry again what the reference means, and move its pin. */
  pull?: 'always'
  signal?: AbortSignal
  onProgress?: OnProgress
}

/** News of an image that is fetched or built, told once, however many callers wait for it. */
export interface ImageNews {
  /** The whole reference, as `parseReference` returns it. */
  readonly ref: string
  readonly state: 'running' | 'done' | 'failed'
  readonly detail?: string
  readonly bytes?: Bytes
}

export interface ImagesOptions {
  store: Store
  onNews?: (news: ImageNews) => void
  registries?: RegistryOptions
}

/** Resolves image references to pinned digests, and those to root filesystems. */
export interface Images extends AsyncDisposable {
  /**
   * Resolves a reference. If it is pinned and its image is stored, nobody is asked. Any number of callers share one
   * fetch, which ends when the last of them has gone.
   *
   * @throws MoorageError INVALID_IMAGE, NOT_YET, IMAGE_NOT_FOUND, PACKAGE_NOT_FOUND, IMAGE_UNAUTHORIZED,
   *   REGISTRY_UNREACHABLE, IMAGE_FAILED, RUNTIME_MISSING, DISK_LOW, DISK_FULL, CANCELLED
   */
  resolve(ref: string, options?: ResolveOptions): Promise<ResolvedImage>
  /** Ends every fetch, and waits until it has cleaned up. */
  close(): Promise<void>
}

export function createImages({ store, onNews = () => undefined, registries = {} }: ImagesOptions): Images {
  const registry = createRegistry(store, registries)
  // Each works in a temporary directory of its own, so the next may begin while an aborted one unwinds.
  const fetches = createFlights({ replay: 'last', whileUnwinding: 'begin' })
  /** By digest: several references may mean one image. */
  const pulls = createFlights({ replay: 'last', whileUnwinding: 'begin' })

  const kept = (reference: Reference): StoredImage | undefined => {
    const pin = store.images.pin(reference.ref)
    return pin && store.images.get(pin.digest)
  }

  const fromRegistry = async (
    reference: RegistryReference,
    pull: 'always' | undefined,
    { signal, onProgress }: Working,
  ): Promise<StoredImage> => {
    // A pin outlives its image: an image that was removed from the disk comes back as it was.
    const pinned = pull === 'always' ? undefined : store.images.pin(reference.ref)?.digest
    const digest = pinned ?? (await registry.digestOf(reference, signal))
    return (
      store.images.get(digest) ??
      joinWork(pulls, digest, (working) => registry.pull(reference, digest, working), { signal, onProgress })
    )
  }

  const fetchImage = async (
    reference: Reference,
    pull: 'always' | undefined,
    working: Working,
  ): Promise<StoredImage> => {
    store.ensureSpace()
    const image = await (reference.kind === 'packages'
      ? buildFromPackages(store, reference, working)
      : fromRegistry(reference, pull, working))
    store.images.setPin(reference.ref, image.digest)
    return image
  }

  /** Fetches an image and tells the news, from its first progress on: an image that is found stored is no news. */
  const fetchWithNews = async (
    { ref }: Reference,
    working: Working,
    fetch: (working: Working) => Promise<StoredImage>,
  ): Promise<StoredImage> => {
    let begun = false
    try {
      const image = await fetch({
        signal: working.signal,
        onProgress: (detail, bytes) => {
          begun = true
          onNews(withoutUndefined({ ref, state: 'running' as const, detail, bytes }))
          working.onProgress(detail, bytes)
        },
      })
      if (begun) onNews({ ref, state: 'done', detail: image.digest })
      return image
    } catch (error) {
      onNews({ ref, state: 'failed', detail: asMoorageError(error).message })
      throw error
    }
  }

  const close = async () => {
    await Promise.all([fetches.close(), pulls.close()])
  }

  return {
    async resolve(ref, { pull, signal, onProgress } = {}) {
      try {
        signal?.throwIfAborted()
        const reference = parseReference(ref)
        const image =
          (pull === 'always' ? undefined : kept(reference)) ??
          (await joinWork(
            fetches,
            `${pull ?? ''} ${reference.ref}`,
            (working) =>
              fetchWithNews(reference, working, (reporting) => fetchImage(reference, pull, reporting)),
            { signal, onProgress },
          ))
        const { digest, rootfs, config } = image
        return { ref, digest, rootfs, config, name: nameOf(reference) }
      } catch (error) {
        throw asMoorageError(error)
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Joins a flight whose work tells what it does in words and bytes. */
function joinWork(
  flights: Flights,
  key: string,
  work: (working: Working) => Promise<StoredImage>,
  { signal, onProgress }: { signal: AbortSignal | undefined; onProgress: OnProgress | undefined },
): Promise<StoredImage> {
  return flights.join<StoredImage, Parameters<OnProgress>>(
    key,
    (flight) => work({ signal: flight.signal, onProgress: (...progress) => flight.report(progress) }),
    { signal, onProgress: onProgress && ((progress) => onProgress(...progress)) },
  )
}

function nameOf(reference: Reference): string {
  if (reference.kind === 'packages') return reference.packages[0]?.split('=')[0] ?? reference.suite
  return reference.repository.split('/').at(-1) ?? reference.repository
}

import { asMoorageError } from '../errors/index.ts'
import type { ImageConfig, Store, StoredImage } from '../store/index.ts'
import { withoutUndefined } from '../without-undefined.ts'
import { buildFromPackages } from './debian-packages.ts'
import { parseReference, type Reference, type RegistryReference } from './reference.ts'
import { createRegistry } from './registry.ts'
import { type Bytes, type OnProgress, SharedWork, type Working } from './shared-work.ts'
import type { RegistryOptions } from './skopeo.ts'

/** An image that stands ready on disk. */
export interface ResolvedImage {
  /** As it was asked for. */
  ref: string
  /** What the reference is pinned to. */
  digest: string
  /** The directory of its root filesystem: read only, shared by all. */
  rootfs: string
  config: ImageConfig
  /** For people: `redis`. */
  name: string
}

interface ResolveOptions {
  /** Ask again what the reference means, and move its pin. */
  pull?: 'always'
  signal?: AbortSignal
  onProgress?: OnProgress
}

/** An image that is fetched or built: each is told of once, however many wait for it. */
export interface ImageNews {
  /** The whole reference, as `parseReference` has it. */
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

/** Image references -> pinned digests -> root filesystems. */
export interface Images extends AsyncDisposable {
  /**
   * The image of a reference. A pinned one that is here is answered without asking anybody; any number of callers share
   * one fetch, which ends when the last of them has gone.
   *
   * @throws MoorageError INVALID_IMAGE, NOT_YET, IMAGE_NOT_FOUND, PACKAGE_NOT_FOUND, IMAGE_UNAUTHORIZED,
   * REGISTRY_UNREACHABLE, IMAGE_FAILED, RUNTIME_MISSING, DISK_LOW, DISK_FULL, CANCELLED
   */
  resolve(ref: string, options?: ResolveOptions): Promise<ResolvedImage>
  /** Ends every fetch, and waits until it has cleaned up. */
  close(): Promise<void>
}

export function createImages({ store, onNews = () => undefined, registries = {} }: ImagesOptions): Images {
  const registry = createRegistry(store, registries)
  const fetches = new SharedWork<StoredImage>()
  /** By digest: several references may mean one image. */
  const pulls = new SharedWork<StoredImage>()

  const kept = (reference: Reference): StoredImage | undefined => {
    const pin = store.images.pin(reference.ref)
    return pin && store.images.get(pin.digest)
  }

  const fromRegistry = async (
    reference: RegistryReference,
    pull: 'always' | undefined,
    { signal, onProgress }: Working,
  ): Promise<StoredImage> => {
    // A pin outlives its image: what was removed from the disk comes back as it was.
    const pinned = pull === 'always' ? undefined : store.images.pin(reference.ref)?.digest
    const digest = pinned ?? (await registry.digestOf(reference, signal))
    return (
      store.images.get(digest) ??
      pulls.join(digest, { signal, onProgress }, (working) => registry.pull(reference, digest, working))
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

  /** What is worth telling begins with the first words of the work: what is found on the disk says nothing. */
  const tellingly = async (
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
          (await fetches.join(`${pull ?? ''} ${reference.ref}`, { signal, onProgress }, (working) =>
            tellingly(reference, working, (telling) => fetchImage(reference, pull, telling)),
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

function nameOf(reference: Reference): string {
  if (reference.kind === 'packages') return reference.packages[0]?.split('=')[0] ?? reference.suite
  return reference.repository.split('/').at(-1) ?? reference.repository
}

import type { ImageConfig, Store, StoredImage } from '../store/index.ts'
import { buildFromPackages } from './packages.ts'
import { parseReference, type Reference } from './reference.ts'
import { createRegistry } from './registry.ts'

/** An image that stands ready on disk. */
export interface ResolvedImage {
  ref: string
  /** What the reference is pinned to. */
  digest: string
  rootfs: string
  config: ImageConfig
  /** For people: `redis`. */
  name: string
}

export interface ResolveOptions {
  /** Ask again what the reference means, and move its pin. */
  pull?: 'always'
  signal?: AbortSignal
  onProgress?: (detail: string) => void
}

/** Image references -> pinned digests -> root filesystems. */
export interface Images {
  /**
   * The image of a reference. A pinned one that is here is answered without asking anybody; any number of callers share
   * one fetch, which ends when the last of them has gone.
   *
   * @throws MoorageError INVALID_IMAGE, IMAGE_NOT_FOUND, PACKAGE_NOT_FOUND, IMAGE_UNAUTHORIZED, REGISTRY_UNREACHABLE,
   * IMAGE_FAILED, RUNTIME_MISSING
   */
  resolve(ref: string, options?: ResolveOptions): Promise<ResolvedImage>
}

interface Fetch {
  readonly image: Promise<StoredImage>
  readonly abort: AbortController
  readonly listeners: Set<(detail: string) => void>
  callers: number
}

export function createImages({ store }: { store: Store }): Images {
  const registry = createRegistry(store)
  const fetches = new Map<string, Fetch>()

  const here = (reference: Reference): StoredImage | undefined => {
    const known =
      reference.kind === 'registry' && reference.digest
        ? reference.digest
        : store.images.pin(reference.ref)?.digest
    return known === undefined ? undefined : store.images.get(known)
  }

  const fetchImage = async (
    reference: Reference,
    pull: 'always' | undefined,
    options: { signal: AbortSignal; onProgress: (detail: string) => void },
  ): Promise<StoredImage> => {
    if (reference.kind === 'packages') {
      const built = await buildFromPackages(store, reference, options)
      store.images.setPin(reference.ref, built.digest)
      return built
    }
    const pinned = pull ? undefined : store.images.pin(reference.ref)?.digest
    const digest = pinned ?? (await registry.pin(reference, options.signal))
    const image = store.images.get(digest) ?? (await registry.pull(reference, digest, options))
    store.images.setPin(reference.ref, digest)
    return image
  }

  const fetchShared = (reference: Reference, pull: 'always' | undefined): Fetch => {
    const key = `${pull ?? ''} ${reference.ref}`
    const running = fetches.get(key)
    if (running && !running.abort.signal.aborted) return running
    const abort = new AbortController()
    const listeners = new Set<(detail: string) => void>()
    const image = fetchImage(reference, pull, {
      signal: abort.signal,
      onProgress: (detail) => {
        for (const listener of listeners) listener(detail)
      },
    })
    const begun: Fetch = { image, abort, listeners, callers: 0 }
    fetches.set(key, begun)
    const forget = () => {
      if (fetches.get(key) === begun) fetches.delete(key)
    }
    image.then(forget, forget)
    return begun
  }

  return {
    async resolve(ref, { pull, signal, onProgress } = {}) {
      signal?.throwIfAborted()
      const reference = parseReference(ref)
      const found = pull ? undefined : here(reference)
      if (found) return resolved(ref, reference, found)
      const shared = fetchShared(reference, pull)
      shared.callers += 1
      if (onProgress) shared.listeners.add(onProgress)
      try {
        return resolved(ref, reference, await orAborted(shared.image, signal))
      } finally {
        if (onProgress) shared.listeners.delete(onProgress)
        shared.callers -= 1
        if (shared.callers === 0) shared.abort.abort()
      }
    },
  }
}

function resolved(ref: string, reference: Reference, { digest, rootfs, config }: StoredImage): ResolvedImage {
  return { ref, digest, rootfs, config, name: nameOf(reference) }
}

function nameOf(reference: Reference): string {
  if (reference.kind === 'packages') return reference.packages[0] ?? reference.suite
  return reference.repository.split('/').at(-1) ?? reference.repository
}

/** Waits for the work, but no longer than the caller does. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const gone = Promise.withResolvers<never>()
  const onAbort = () => gone.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([work, gone.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
    work.catch(() => undefined)
  }
}

import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../errors/index.ts'
import { mebibytes, type Store, type StoredImage } from '../store/index.ts'
import { fullDiskError, lastWords, runTool } from '../system-tool/index.ts'
import { watchCopy } from './copy-progress.ts'
import { hostArchitecture } from './host-architecture.ts'
import { parseConfig } from './image-config.ts'
import { digestOfBytes, type Manifest, parseManifest } from './manifest.ts'
import type { Working } from './progress.ts'
import type { RegistryReference } from './reference.ts'
import { createSkopeo, type RegistryOptions, sourceOf } from './skopeo.ts'
import { syncFilesystem } from './sync-filesystem.ts'

/** A copy has failed when nothing has arrived for so many milliseconds. */
const stalled = 60_000

/** Asks registries with skopeo, and unpacks their images with umoci. */
interface Registry {
  /**
   * Returns the digest of the manifest for this host's architecture: that of the child, if the reference names an
   * index.
   */
  digestOf(reference: RegistryReference, signal: AbortSignal): Promise<string>
  /** Fetches the image of that manifest into the store. */
  pull(reference: RegistryReference, digest: string, working: Working): Promise<StoredImage>
}

export function createRegistry(store: Store, options: RegistryOptions): Registry {
  const skopeo = createSkopeo(store.directory, options)

  const manifestOf = async (
    reference: RegistryReference,
    digest: string | undefined,
    signal: AbortSignal,
  ): Promise<{ digest: string; manifest: Manifest }> => {
    const bytes = await skopeo.manifest(reference, sourceOf(reference, digest), signal)
    const actual = digestOfBytes(bytes)
    const manifest = understood(reference.ref, () => {
      if (digest !== undefined && actual !== digest) throw new Error(`what is sent as ${digest} is ${actual}`)
      return parseManifest(bytes)
    })
    return { digest: actual, manifest }
  }

  const copy = async (
    reference: RegistryReference,
    digest: string,
    layers: readonly { mediaType: string; size: number }[],
    { work, signal, onProgress }: Working & { work: string },
  ) => {
    const ended = new AbortController()
    const stall = new AbortController()
    const total = layers.reduce((sum, { size }) => sum + size, 0)
    const watching = watchCopy(join(work, 'layout'), {
      signal: ended.signal,
      patience: stalled,
      onGrowth: (bytes) => {
        const done = Math.min(bytes, total)
        onProgress(`pulling: ${mebibytes(done)} of ${mebibytes(total)}`, { done, total })
      },
      onStall: () => stall.abort(),
    })
    try {
      await skopeo.copy(reference, sourceOf(reference, digest), {
        directory: work,
        // umoci 0.4 does not know zstd.
        recompress: layers.some(({ mediaType }) => mediaType.endsWith('zstd')),
        signal: AbortSignal.any([signal, stall.signal]),
      })
    } catch (error) {
      if (signal.aborted || !stall.signal.aborted) throw error
      const reason = `nothing has arrived for ${stalled / 1000} s`
      throw new MoorageError('REGISTRY_UNREACHABLE', { ref: reference.ref, reason }, { cause: error })
    } finally {
      ended.abort()
      await watching
    }
  }

  return {
    async digestOf(reference, signal) {
      const { digest, manifest } = await manifestOf(reference, reference.digest, signal)
      if (manifest.kind === 'image') return digest
      const child = manifest.children.find(
        ({ os, architecture }) => os === 'linux' && architecture === hostArchitecture,
      )
      if (child) return child.digest
      const others = manifest.children.map(({ os, architecture }) => `${os}/${architecture}`).join(', ')
      const reason = `it exists, but not for linux/${hostArchitecture} (for ${others || 'nothing'})`
      throw new MoorageError('IMAGE_NOT_FOUND', { ref: reference.ref, reason })
    },

    async pull(reference, digest, { signal, onProgress }) {
      const { ref } = reference
      const work = await store.temporary()
      try {
        onProgress('pulling')
        const { manifest } = await manifestOf(reference, digest, signal)
        if (manifest.kind === 'index') {
          throw new MoorageError('IMAGE_FAILED', { ref, reason: 'an index in an index is not known' })
        }
        // The config is read from the registry, since copying into an OCI layout drops Docker's HEALTHCHECK.
        const bytes = await skopeo.config(reference, sourceOf(reference, digest), signal)
        const config = understood(ref, () => parseConfig(bytes))
        await copy(reference, digest, manifest.layers, { work, signal, onProgress })
        onProgress('unpacking')
        const unpack = await runTool('umoci', ['raw', 'unpack', '--image', 'layout:image', 'rootfs'], {
          signal,
          cwd: work,
        })
        if (unpack.code !== 0) {
          const what = `the image ${ref}`
          const full = fullDiskError(unpack.stderr, what, store.directory)
          // On a full disk umoci sometimes panics without a word of it, and some of what it wrote may be gone again.
          const packed = manifest.layers.reduce((sum, { size }) => sum + size, 0)
          const needed = /^goroutine \d+ \[/m.test(unpack.stderr)
            ? Math.max(nothingLeft, packed)
            : nothingLeft
          if (!full && store.free().bytes < needed) {
            throw new MoorageError('DISK_FULL', { what, path: store.directory })
          }
          throw full ?? new MoorageError('IMAGE_FAILED', { ref, reason: lastWords(unpack.stderr) })
        }
        const rootfs = join(work, 'rootfs')
        // Whatever mode the archive gives the top directory, everybody in a container must get through it.
        await chmod(rootfs, 0o755)
        await syncFilesystem(rootfs, signal)
        return await store.images.adopt({ digest, rootfs, source: ref, config })
      } finally {
        await rm(work, { recursive: true, force: true })
      }
    },
  }
}

/** With fewer free bytes than this the disk is full, while what was half unpacked is still there. */
const nothingLeft = 1024 * 1024

/** Reads what a registry sent; if it cannot be read, the image has failed. */
function understood<T>(ref: string, read: () => T): T {
  try {
    return read()
  } catch (error) {
    throw new MoorageError('IMAGE_FAILED', { ref, reason: (error as Error).message }, { cause: error })
  }
}

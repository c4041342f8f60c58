import { createHash } from 'node:crypto'
import { chmod, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MoorageError } from '../errors.ts'
import type { ImageConfig, Store, StoredImage } from '../store/index.ts'
import type { RegistryReference } from './reference.ts'
import { runTool } from './tool.ts'

/** How long one question to a registry may take. */
const questionTimeout = '15s'

const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' }
const architecture = architectures[process.arch] ?? process.arch

interface Manifest {
  mediaType?: string
  manifests?: { digest: string; platform?: { architecture?: string; os?: string } }[]
  layers?: { mediaType?: string }[]
}

interface RawConfig {
  config?: {
    Entrypoint?: string[] | null
    Cmd?: string[] | null
    Env?: string[] | null
    User?: string
    WorkingDir?: string
    ExposedPorts?: Record<string, unknown> | null
    StopSignal?: string
    Healthcheck?: unknown
  }
}

/** Asking registries through skopeo, and unpacking what they hold with umoci. */
export interface Registry {
  /** The digest of this machine's manifest: the child's, where the reference names an index. */
  pin(reference: RegistryReference, signal?: AbortSignal): Promise<string>
  pull(
    reference: RegistryReference,
    digest: string,
    options: { signal?: AbortSignal; onProgress?: (detail: string) => void },
  ): Promise<StoredImage>
}

export function createRegistry(store: Store): Registry {
  const skopeo = async (reference: RegistryReference, args: string[], signal?: AbortSignal) => {
    const result = await runTool('skopeo', ['--insecure-policy', ...args], signal ? { signal } : {})
    if (result.code !== 0) throw failure(reference.ref, result.stderr)
    return result.stdout
  }
  const raw = (reference: RegistryReference, target: string, signal?: AbortSignal) =>
    skopeo(
      reference,
      ['--command-timeout', questionTimeout, 'inspect', '--raw', ...verify('', reference), target],
      signal,
    )

  return {
    async pin(reference, signal) {
      const bytes = await raw(reference, sourceOf(reference), signal)
      const manifest = JSON.parse(String(bytes)) as Manifest
      if (manifest.manifests === undefined) return digestOfBytes(bytes)
      const child = manifest.manifests.find(
        ({ platform }) => platform?.os === 'linux' && platform.architecture === architecture,
      )
      if (child === undefined) {
        const reason = `it exists, but not for linux/${architecture}`
        throw new MoorageError('IMAGE_NOT_FOUND', { ref: reference.ref, reason })
      }
      return child.digest
    },

    async pull(reference, digest, { signal, onProgress }) {
      const source = `docker://${reference.registry}/${reference.repository}@${digest}`
      const work = await store.temporary()
      const unpacked = await store.temporary()
      try {
        onProgress?.(`pulling ${reference.ref}`)
        const manifest = JSON.parse(String(await raw(reference, source, signal))) as Manifest
        // The config of the source itself: copying into an OCI layout drops HEALTHCHECK.
        const config = await skopeo(
          reference,
          ['inspect', '--config', '--raw', ...verify('', reference), source],
          signal,
        )
        // umoci 0.4 does not know zstd.
        const zstd = manifest.layers?.some(({ mediaType }) => mediaType?.includes('zstd')) ?? false
        const layout = join(work, 'layout')
        await skopeo(
          reference,
          [
            ...['copy', '--quiet', ...verify('src-', reference)],
            ...(zstd ? ['--dest-compress-format', 'gzip'] : []),
            ...[source, `oci:${layout}:image`],
          ],
          signal,
        )
        onProgress?.(`unpacking ${reference.ref}`)
        const rootfs = join(unpacked, 'rootfs')
        const unpack = await runTool(
          'umoci',
          ['raw', 'unpack', '--image', `${layout}:image`, rootfs],
          signal ? { signal } : {},
        )
        if (unpack.code !== 0) {
          throw new MoorageError('IMAGE_FAILED', { ref: reference.ref, reason: unpack.stderr.trim() })
        }
        await chmod(rootfs, 0o755)
        return await store.images.adopt({
          digest,
          rootfs,
          source: reference.ref,
          config: configOf(JSON.parse(String(config)) as RawConfig),
        })
      } finally {
        await Promise.all([work, unpacked].map((path) => rm(path, { recursive: true, force: true })))
      }
    },
  }
}

function sourceOf({ registry, repository, tag, digest }: RegistryReference): string {
  return `docker://${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`
}

/** A registry on loopback speaks plain HTTP, as Docker takes it to. */
function verify(side: '' | 'src-', { registry }: RegistryReference): string[] {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || /^127\./.test(host) ? [`--${side}tls-verify=false`] : []
}

function digestOfBytes(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function configOf({ config = {} }: RawConfig): ImageConfig {
  const exposedPorts = Object.keys(config.ExposedPorts ?? {}).flatMap((text) => {
    const [number, protocol = 'tcp'] = text.split('/')
    const port = Number(number)
    if (!Number.isInteger(port) || (protocol !== 'tcp' && protocol !== 'udp')) return []
    return [{ port, protocol } as const]
  })
  return {
    entrypoint: config.Entrypoint ?? [],
    cmd: config.Cmd ?? [],
    env: config.Env ?? [],
    user: config.User ?? '',
    workdir: config.WorkingDir || '/',
    exposedPorts,
    ...(config.StopSignal ? { stopSignal: config.StopSignal } : {}),
    ...(config.Healthcheck ? { healthcheck: config.Healthcheck } : {}),
  }
}

/** skopeo exits 1 for everything: what went wrong is in its words. */
function failure(ref: string, stderr: string): MoorageError {
  const reason = /msg="((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1]?.replaceAll('\\"', '"') ?? stderr.trim()
  if (/manifest unknown|name unknown|repository name not known|not found/i.test(stderr)) {
    return new MoorageError('IMAGE_NOT_FOUND', { ref, reason })
  }
  if (/unauthorized|authentication required|access to the resource is denied/i.test(stderr)) {
    return new MoorageError('IMAGE_UNAUTHORIZED', { ref, reason })
  }
  if (
    /dial tcp|no such host|connection refused|timeout|deadline exceeded|pinging container registry|TLS/i.test(
      stderr,
    )
  ) {
    return new MoorageError('REGISTRY_UNREACHABLE', { ref, reason })
  }
  return new MoorageError('IMAGE_FAILED', { ref, reason })
}

import { createHash } from 'node:crypto'

/** The answer of a registry for a name: a manifest, or an index of one manifest for each platform. */
export type Manifest =
  | { kind: 'index'; children: { digest: string; os: string; architecture: string }[] }
  | { kind: 'image'; layers: { mediaType: string; size: number }[] }

const digestPattern = /^sha256:[0-9a-f]{64}$/

/** Computes the digest of a manifest, to which its image is pinned, from its bytes as they were sent. */
export function digestOfBytes(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/**
 * Parses the answer of a registry: a manifest or index of OCI (https://github.com/opencontainers/image-spec) or of
 * Docker's schema 2. The registry is not trusted.
 *
 * @throws Error with a sentence, when it is neither
 */
export function parseManifest(bytes: Buffer): Manifest {
  const manifest = fields(JSON.parse(bytes.toString()))
  if (manifest.schemaVersion !== 2) {
    throw new Error(`its manifest has schema version ${String(manifest.schemaVersion)}, only 2 is known`)
  }
  if (manifest.manifests !== undefined) {
    const children = list(manifest.manifests).map((entry) => {
      const { digest, platform } = fields(entry)
      if (typeof digest !== 'string' || !digestPattern.test(digest)) {
        throw new Error(`its index names ${JSON.stringify(digest)}, which is not a digest`)
      }
      // Attestations have the platform unknown/unknown. An entry without a platform is never chosen.
      const { os, architecture } = fields(platform ?? {})
      return { digest, os: String(os), architecture: String(architecture) }
    })
    return { kind: 'index', children }
  }
  const layers = list(manifest.layers).map((entry) => {
    const { mediaType, size } = fields(entry)
    return { mediaType: String(mediaType), size: typeof size === 'number' ? size : 0 }
  })
  return { kind: 'image', layers }
}

function fields(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new Error('its manifest is malformed')
  return value as Record<string, unknown>
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new Error('its manifest is malformed')
  return value
}

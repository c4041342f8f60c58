import { createHash } from 'node:crypto'

/** What a registry holds under a name: a manifest, or an index of one for each platform. */
export type Manifest =
  | { kind: 'index'; children: { digest: string; os: string; architecture: string }[] }
  | { kind: 'image'; layers: { mediaType: string; size: number }[] }

const digestPattern = /^sha256:[0-9a-f]{64}$/

/** Its bytes' own digest is what an image is pinned to. */
export function digestOfBytes(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/**
 * Reads what a registry answered: of OCI (https://github.com/opencontainers/image-spec) or Docker's schema 2. Whoever
 * runs the registry is not trusted.
 *
 * @throws Error in words, when it is neither
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
      // Attestations have the platform unknown/unknown; what has none is for any, which says nothing.
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

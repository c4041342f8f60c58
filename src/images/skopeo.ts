import { MoorageError } from '../errors/index.ts'
import { fullDiskError, lastWords, runTool } from '../system-tool/index.ts'
import type { RegistryReference } from './reference.ts'
import { createRegistryAccess } from './registry-access.ts'

interface Skopeo {
  /** Returns the bytes of the manifest, or the index, that the registry has under a name. */
  manifest(reference: RegistryReference, source: string, signal: AbortSignal): Promise<Buffer>
  /** Returns the bytes of the image's config, as the registry has them. */
  config(reference: RegistryReference, source: string, signal: AbortSignal): Promise<Buffer>
  /** Copies the image into a new OCI layout, `layout` below `directory`. */
  copy(
    reference: RegistryReference,
    source: string,
    options: { directory: string; recompress: boolean; signal: AbortSignal },
  ): Promise<void>
}

export interface RegistryOptions {
  /** Registries (`host` or `host:port`) that speak plain HTTP; those on loopback do anyway. */
  insecure?: readonly string[]
  /** How long a registry may take to answer a question, in milliseconds. @defaultValue 15000 */
  patience?: number
}

/** Returns skopeo's name for an image. */
export function sourceOf({ registry, repository, tag }: RegistryReference, digest?: string): string {
  return `docker://${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`
}

/** Asks registries, and copies images from them, with skopeo. */
export function createSkopeo(
  stateDirectory: string,
  { insecure = [], patience = 15_000 }: RegistryOptions,
): Skopeo {
  const access = createRegistryAccess(insecure)

  const run = async (
    reference: RegistryReference,
    args: readonly string[],
    { signal, cwd }: { signal: AbortSignal; cwd?: string },
  ) => {
    const { code, stdout, stderr } = await runTool('skopeo', [...access.policy, ...args], {
      signal,
      // Large blobs pass through a temporary file.
      ...(cwd === undefined ? {} : { cwd, env: { ...process.env, TMPDIR: cwd } }),
    })
    if (code !== 0) throw failureOf(reference.ref, stderr, stateDirectory)
    return stdout
  }

  const inspect = async (
    reference: RegistryReference,
    what: readonly string[],
    source: string,
    signal: AbortSignal,
  ) => {
    const deadline = AbortSignal.timeout(patience)
    const args = ['inspect', ...access.inspectOptions(reference.registry), ...what, source]
    try {
      return await run(reference, args, { signal: AbortSignal.any([signal, deadline]) })
    } catch (error) {
      if (signal.aborted || !deadline.aborted) throw error
      const reason = `no answer within ${patience / 1000} s`
      throw new MoorageError('REGISTRY_UNREACHABLE', { ref: reference.ref, reason }, { cause: error })
    }
  }

  return {
    manifest: (reference, source, signal) => inspect(reference, ['--raw'], source, signal),
    config: (reference, source, signal) => inspect(reference, ['--config', '--raw'], source, signal),
    async copy(reference, source, { directory, recompress, signal }) {
      await run(
        reference,
        [
          ...['copy', '--quiet', ...access.copyOptions(reference.registry)],
          ...(recompress ? ['--dest-compress-format', 'gzip'] : []),
          // Relative, since a colon in a path would begin a tag.
          ...[source, 'oci:layout:image'],
        ],
        { signal, cwd: directory },
      )
    },
  }
}

/** Tried in this order: what follows a failed ping tells its reason, and a missing host is "not found" too. */
const codesByWords: readonly [RegExp, 'IMAGE_UNAUTHORIZED' | 'REGISTRY_UNREACHABLE' | 'IMAGE_NOT_FOUND'][] = [
  [
    /unauthorized|authentication required|access to the resource is denied|status code.*40[13]|40[13] \((Unauthorized|Forbidden)\)/i,
    'IMAGE_UNAUTHORIZED',
  ],
  [/manifest unknown|name unknown|repository name not known|blob unknown/i, 'IMAGE_NOT_FOUND'],
  [
    /pinging container registry|dial (tcp|udp)|no such host|connection (refused|reset)|timeout|deadline exceeded|x509|tls:|unexpected EOF|proxyconnect|toomanyrequests|(status|status code).*5\d\d|50\d \(/i,
    'REGISTRY_UNREACHABLE',
  ],
  [/not found/i, 'IMAGE_NOT_FOUND'],
]

/** Classifies a failure of skopeo by its words: it exits 1 for everything. */
function failureOf(ref: string, stderr: string, directory: string): MoorageError {
  const full = fullDiskError(stderr, `the image ${ref}`, directory)
  if (full) return full
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1]?.replaceAll('\\"', '"')
  // It repeats the name, which our sentence has already.
  const reason = message?.replace(/^(Error )?parsing image name "[^"]*": /i, '') ?? lastWords(stderr)
  const [, code = 'IMAGE_FAILED'] = codesByWords.find(([words]) => words.test(stderr)) ?? []
  return new MoorageError(code as 'IMAGE_FAILED', { ref, reason })
}

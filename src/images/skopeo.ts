import { existsSync } from 'node:fs'
import { MoorageError } from '../errors/index.ts'
import { fullDiskError, lastWords, runTool } from '../system-tool/index.ts'
import type { RegistryReference } from './reference.ts'

interface Skopeo {
  /** The bytes of what the registry holds under a name. */
  manifest(reference: RegistryReference, source: string, signal: AbortSignal): Promise<Buffer>
  /** The bytes of its config, as the registry has them. */
  config(reference: RegistryReference, source: string, signal: AbortSignal): Promise<Buffer>
  /** Copies it into a fresh OCI layout, `layout` below the working directory. */
  copy(
    reference: RegistryReference,
    source: string,
    options: { directory: string; recompress: boolean; signal: AbortSignal },
  ): Promise<void>
}

export interface RegistryOptions {
  insecure?: readonly string[]
  /** In milliseconds. */
  patience?: number
}

/** What an image is called in skopeo's words. */
export function sourceOf({ registry, repository, tag }: RegistryReference, digest?: string): string {
  return `docker://${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`
}

/** Asking registries through skopeo, without credentials: those of the host's root are not the caller's. */
export function createSkopeo(
  stateDirectory: string,
  { insecure = [], patience = 15_000 }: RegistryOptions,
): Skopeo {
  const run = async (
    reference: RegistryReference,
    args: readonly string[],
    { signal, cwd }: { signal: AbortSignal; cwd?: string },
  ) => {
    const { code, stdout, stderr } = await runTool('skopeo', [...policy(), ...args], {
      signal,
      // Large blobs pass through a temporary file.
      ...(cwd === undefined ? {} : { cwd, env: { ...process.env, TMPDIR: cwd } }),
    })
    if (code !== 0) throw failureOf(reference.ref, stderr, stateDirectory)
    return stdout
  }
  const plain = ({ registry }: RegistryReference) => insecure.includes(registry) || isLoopback(registry)
  const inspect = async (
    reference: RegistryReference,
    what: readonly string[],
    source: string,
    signal: AbortSignal,
  ) => {
    const deadline = AbortSignal.timeout(patience)
    const tls = plain(reference) ? ['--tls-verify=false'] : []
    const args = ['inspect', '--no-creds', ...tls, ...what, source]
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
          ...['copy', '--quiet', '--src-no-creds'],
          ...(plain(reference) ? ['--src-tls-verify=false'] : []),
          ...(recompress ? ['--dest-compress-format', 'gzip'] : []),
          // Relative: a colon in a path would begin a tag.
          ...[source, 'oci:layout:image'],
        ],
        { signal, cwd: directory },
      )
    },
  }
}

/** A registry on loopback speaks plain HTTP, as Docker takes it to. */
function isLoopback(registry: string): boolean {
  const host = registry.replace(/:\d+$/, '')
  return host === 'localhost' || host === '[::1]' || /^127(\.\d+){3}$/.test(host)
}

/** Without a policy skopeo refuses everything; where the host has one, it holds. */
function policy(): string[] {
  return existsSync('/etc/containers/policy.json') ? [] : ['--insecure-policy']
}

/** In this order: the reason of a failed ping is told by what follows it, and a missing host is "not found" too. */
const kinds: readonly [RegExp, 'IMAGE_UNAUTHORIZED' | 'REGISTRY_UNREACHABLE' | 'IMAGE_NOT_FOUND'][] = [
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

/** skopeo exits 1 for everything: what went wrong is in its words. */
function failureOf(ref: string, stderr: string, directory: string): MoorageError {
  const full = fullDiskError(stderr, `the image ${ref}`, directory)
  if (full) return full
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(stderr)?.[1]?.replaceAll('\\"', '"')
  // It repeats the name, which the sentence has already.
  const reason = message?.replace(/^(Error )?parsing image name "[^"]*": /i, '') ?? lastWords(stderr)
  const [, code = 'IMAGE_FAILED'] = kinds.find(([words]) => words.test(stderr)) ?? []
  return new MoorageError(code as 'IMAGE_FAILED', { ref, reason })
}

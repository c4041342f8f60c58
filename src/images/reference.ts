import { MoorageError } from '../errors.ts'

/** What an image reference names. */
export type Reference = RegistryReference | PackagesReference

export interface RegistryReference {
  kind: 'registry'
  /** Whole: `docker.io/library/redis:7`. */
  ref: string
  registry: string
  repository: string
  tag: string
  /** Set when the reference is by digest. */
  digest?: string
}

export interface PackagesReference {
  kind: 'packages'
  /** Whole, with its packages sorted. */
  ref: string
  suite: string
  packages: string[]
}

const suitePattern = /^[a-z][a-z0-9-]*$/
// apt takes options, patterns, paths and removals for package names: only plain names pass.
const packagePattern = /^[a-z0-9][a-z0-9.+-]*[a-z0-9+](=[0-9][A-Za-z0-9.+:~-]*)?$/
const registryPattern = /^(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+|[a-z0-9-]+(?=:\d))(:\d+)?$/i
const repositoryPattern = /^[a-z0-9]+([._-]+[a-z0-9]+)*(\/[a-z0-9]+([._-]+[a-z0-9]+)*)*$/
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/

/**
 * Parses `redis:7`, `docker.io/library/redis@sha256:…` or `mmdebstrap:bookworm?packages=redis-server,redis-tools`.
 *
 * @throws MoorageError INVALID_IMAGE, NOT_YET
 */
export function parseReference(ref: string): Reference {
  if (ref.startsWith('mmdebstrap:')) return parsePackages(ref)
  const [transport] = ref.split(':', 1)
  if (['oci', 'docker-archive', 'docker-daemon', 'oci-archive', 'dir'].includes(transport ?? '')) {
    throw new MoorageError('NOT_YET', { what: `an image from ${transport}: (F25)` })
  }
  return parseRegistry(ref)
}

function parsePackages(ref: string): PackagesReference {
  const [suite = '', query = '', ...rest] = ref.slice('mmdebstrap:'.length).split('?')
  if (rest.length > 0 || !suitePattern.test(suite)) throw invalid(ref, `"${suite}" is not a Debian suite`)
  const parameters = new URLSearchParams(query)
  const unknown = [...parameters.keys()].find((key) => key !== 'packages')
  if (unknown !== undefined) throw invalid(ref, `"${unknown}" is not known here; packages is`)
  const packages = (parameters.get('packages') ?? '').split(',').map((name) => name.trim())
  const bad = packages.find((name) => !packagePattern.test(name))
  if (bad !== undefined) throw invalid(ref, `"${bad}" is not the name of a package`)
  const sorted = [...new Set(packages)].sort()
  return {
    kind: 'packages',
    ref: `mmdebstrap:${suite}?packages=${sorted.join(',')}`,
    suite,
    packages: sorted,
  }
}

function parseRegistry(ref: string): RegistryReference {
  const [named = '', digest, ...more] = ref.split('@')
  if (more.length > 0) throw invalid(ref, 'it has two digests')
  if (digest !== undefined && !digestPattern.test(digest))
    throw invalid(ref, `"${digest}" is not a sha256 digest`)
  const first = named.split('/', 1)[0] ?? ''
  const hasRegistry = named.includes('/') && registryPattern.test(first)
  const registry = hasRegistry ? first : 'docker.io'
  const path = hasRegistry ? named.slice(first.length + 1) : named
  const colon = path.lastIndexOf(':')
  const short = colon < 0 ? path : path.slice(0, colon)
  const tag = colon < 0 ? 'latest' : path.slice(colon + 1)
  const repository = registry === 'docker.io' && !short.includes('/') ? `library/${short}` : short
  if (!repositoryPattern.test(repository)) throw invalid(ref, `"${short}" is not the name of a repository`)
  if (!tagPattern.test(tag)) throw invalid(ref, `"${tag}" is not a tag`)
  return {
    kind: 'registry',
    ref: digest === undefined ? `${registry}/${repository}:${tag}` : `${registry}/${repository}@${digest}`,
    registry,
    repository,
    tag,
    ...(digest === undefined ? {} : { digest }),
  }
}

function invalid(ref: string, reason: string): MoorageError {
  return new MoorageError('INVALID_IMAGE', { ref, reason })
}

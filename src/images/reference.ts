import { MoorageError } from '../errors/index.ts'
import { withoutUndefined } from '../without-undefined.ts'

/** A parsed image reference. */
export type Reference = RegistryReference | PackagesReference

export interface RegistryReference {
  kind: 'registry'
  /** The whole reference: `docker.io/library/redis:7`, or with its digest instead of its tag. */
  ref: string
  /** The host, with its port if it has one. */
  registry: string
  repository: string
  tag: string
  /** Set when the reference is by digest, which wins over a tag. */
  digest?: string
}

export interface PackagesReference {
  kind: 'packages'
  /** The whole reference, with its packages sorted: `mmdebstrap:bookworm?packages=redis-server&unpacked`. */
  ref: string
  suite: string
  /** Sorted; each may have a version: `redis-server=5:7.0.15-1`. */
  packages: string[]
  /** Without maintainer scripts: quick and small, and not configured. */
  unpacked: boolean
}

const suitePattern = /^[a-z][a-z0-9-]*$/
// Only plain names pass: apt also takes options, patterns, paths and removals where a package's name stands.
const packagePattern = /^[a-z0-9][a-z0-9.+-]*[a-z0-9+](=[0-9][A-Za-z0-9.+:~-]*)?$/
// The grammar of the rest: https://pkg.go.dev/github.com/distribution/reference
const label = '[a-z0-9]([a-z0-9-]*[a-z0-9])?'
const registryPattern = new RegExp(
  `^(localhost|${label}(\\.${label})+|${label}(?=:\\d)|\\[[0-9a-f:]+\\])(:\\d{1,5})?$`,
  'i',
)
const component = '[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*'
const repositoryPattern = new RegExp(`^${component}(/${component})*$`)
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/
const digestPattern = /^sha256:[0-9a-f]{64}$/
const longestName = 255

const transportsOfLater = ['oci', 'oci-archive', 'docker-archive', 'docker-daemon', 'dir']

/**
 * Parses `redis:7`, `docker.io/library/redis@sha256:…`, `mmdebstrap:bookworm?packages=redis-server,redis-tools`, or the
 * latter with `&unpacked`.
 *
 * @throws MoorageError INVALID_IMAGE, NOT_YET
 */
export function parseReference(ref: string): Reference {
  if (ref.startsWith('mmdebstrap:')) return parsePackages(ref)
  const transport = transportsOfLater.find((name) => ref.startsWith(`${name}:`))
  if (transport !== undefined) throw new MoorageError('NOT_YET', { what: `an image from ${transport}:` })
  return parseRegistry(ref)
}

function parsePackages(ref: string): PackagesReference {
  const [suite = '', query, ...rest] = ref.slice('mmdebstrap:'.length).split('?')
  if (rest.length > 0) throw invalid(ref, 'it has two question marks')
  if (!suitePattern.test(suite)) throw invalid(ref, `"${suite}" is not a Debian suite`)
  const { packages = [], unpacked = false } = parsePackagesQuery(ref, query)
  const wanted = [
    ...(packages.length === 0 ? [] : [`packages=${packages.join(',')}`]),
    ...(unpacked ? ['unpacked'] : []),
  ]
  return {
    kind: 'packages',
    ref: `mmdebstrap:${suite}${wanted.length === 0 ? '' : `?${wanted.join('&')}`}`,
    suite,
    packages,
    unpacked,
  }
}

/**
 * Parses the query itself, since URLSearchParams takes the + of libstdc++6 for a space, and splits at the = of a
 * version.
 */
function parsePackagesQuery(
  ref: string,
  query: string | undefined,
): { packages?: string[]; unpacked?: boolean } {
  const found: { packages?: string[]; unpacked?: boolean } = {}
  for (const part of query?.split('&') ?? []) {
    const [, key = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(part) ?? []
    if (key !== 'packages' && key !== 'unpacked') {
      throw invalid(ref, `"${key}" is not known here; packages=NAME,… and unpacked are`)
    }
    if (found[key] !== undefined) throw invalid(ref, `it says ${key} twice`)
    if (key === 'packages') found.packages = packagesOf(ref, value ?? '')
    else if (value === undefined) found.unpacked = true
    else throw invalid(ref, 'unpacked takes no value')
  }
  return found
}

function packagesOf(ref: string, list: string): string[] {
  const packages = list.split(',')
  const bad = packages.find((name) => !packagePattern.test(name))
  if (bad !== undefined) throw invalid(ref, `"${bad}" is not the name of a Debian package`)
  return [...new Set(packages)].sort()
}

function parseRegistry(ref: string): RegistryReference {
  const [named = '', digest, ...more] = ref.split('@')
  if (more.length > 0) throw invalid(ref, 'it has two digests')
  if (digest !== undefined && !digestPattern.test(digest)) {
    throw invalid(ref, `"${digest}" is not a sha256 digest`)
  }
  const first = named.split('/', 1)[0] ?? ''
  const hasRegistry = named.includes('/') && registryPattern.test(first)
  const host = hasRegistry ? first.toLowerCase() : 'docker.io'
  const registry = host === 'index.docker.io' ? 'docker.io' : host
  const path = hasRegistry ? named.slice(first.length + 1) : named
  const colon = path.lastIndexOf(':')
  const short = colon < 0 ? path : path.slice(0, colon)
  const tag = colon < 0 ? 'latest' : path.slice(colon + 1)
  if (!tagPattern.test(tag)) throw invalid(ref, `"${tag}" is not a tag`)
  const repository = registry === 'docker.io' && !short.includes('/') ? `library/${short}` : short
  if (!repositoryPattern.test(repository)) throw invalid(ref, `"${short}" is not the name of a repository`)
  if (registry.length + 1 + repository.length > longestName) {
    throw invalid(ref, `its name is longer than ${longestName} characters`)
  }
  return withoutUndefined({
    kind: 'registry' as const,
    ref: digest === undefined ? `${registry}/${repository}:${tag}` : `${registry}/${repository}@${digest}`,
    registry,
    repository,
    tag,
    digest,
  })
}

function invalid(ref: string, reason: string): MoorageError {
  return new MoorageError('INVALID_IMAGE', { ref, reason })
}

import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { MoorageError } from '../../../errors/index.ts'
import { withoutUndefined } from '../../../without-undefined.ts'

/** The profiles of containers-common; the administrator's comes first. */
const profilePaths = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json']

/** OCI's `linux.seccomp`. */
export interface OciSeccomp {
  defaultAction: string
  defaultErrnoRet?: number
  architectures: string[]
  syscalls: OciSeccompRule[]
}

interface OciSeccompRule {
  names: string[]
  action: string
  errnoRet?: number
  args?: OciSeccompArgument[]
}

export interface OciSeccompArgument {
  index: number
  value: number
  valueTwo?: number
  op: string
}

interface Condition {
  arches?: string[] | null
  caps?: string[] | null
  minKernel?: string
}

interface CommonRule extends Omit<OciSeccompRule, 'args'> {
  args?: OciSeccompArgument[] | null
  includes?: Condition | null
  excludes?: Condition | null
}

/** The format of containers-common: OCI's, with conditions on architecture and capabilities. */
export interface CommonProfile {
  defaultAction: string
  defaultErrnoRet?: number
  archMap?: { architecture: string; subArchitectures?: string[] | null }[]
  syscalls: CommonRule[]
}

/** Reads the profile of this host. @throws MoorageError RUNTIME_MISSING */
export function readProfile(paths: readonly string[] = profilePaths): {
  path: string
  profile: CommonProfile
} {
  for (const path of paths) {
    try {
      return { path, profile: JSON.parse(readFileSync(path, 'utf8')) as CommonProfile }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        throw new MoorageError(
          'RUNTIME_MISSING',
          { what: `a usable seccomp profile in ${path}` },
          { cause: error },
        )
      }
    }
  }
  throw new MoorageError('RUNTIME_MISSING', { what: `a seccomp profile (${paths.join(' or ')})` })
}

interface ProfileTarget {
  /** The container's. */
  capabilities: readonly string[]
  /** In Node's spelling. */
  arch?: string
  /** In uname's spelling. */
  kernel?: string
}

const architectures: Record<string, { oci: string; go: string }> = {
  x64: { oci: 'SCMP_ARCH_X86_64', go: 'amd64' },
  arm64: { oci: 'SCMP_ARCH_AARCH64', go: 'arm64' },
}

/** Converts a containers-common profile to OCI's format: the rules that apply to this machine and these capabilities. */
export function convertProfile(profile: CommonProfile, target: ProfileTarget): OciSeccomp {
  const { capabilities, arch = process.arch, kernel = release() } = target
  const architecture = architectures[arch]
  if (architecture === undefined) {
    throw new MoorageError('RUNTIME_MISSING', { what: `a seccomp profile for ${arch}` })
  }
  const subArchitectures =
    profile.archMap?.find((entry) => entry.architecture === architecture.oci)?.subArchitectures ?? []
  const applies = ({ includes, excludes }: CommonRule) =>
    (!includes?.arches?.length || includes.arches.includes(architecture.go)) &&
    (includes?.caps ?? []).every((cap) => capabilities.includes(cap)) &&
    (includes?.minKernel === undefined || isAtLeast(kernel, includes.minKernel)) &&
    !excludes?.arches?.includes(architecture.go) &&
    !(excludes?.caps ?? []).some((cap) => capabilities.includes(cap)) &&
    (excludes?.minKernel === undefined || !isAtLeast(kernel, excludes.minKernel))
  return {
    defaultAction: profile.defaultAction,
    ...withoutUndefined({ defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [architecture.oci, ...subArchitectures],
    syscalls: profile.syscalls.filter(applies).map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...withoutUndefined({ errnoRet, args: args?.length ? args : undefined }),
    })),
  }
}

function isAtLeast(kernel: string, minimum: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10))
  const [minMajor = 0, minMinor = 0] = minimum.split('.').map((part) => Number.parseInt(part, 10))
  return major > minMajor || (major === minMajor && minor >= minMinor)
}

import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import { MoorageError } from '../../../errors/index.ts'

/** Where containers-common has its profile; the administrator's comes first. */
const profilePaths = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json']

/** OCI's `linux.seccomp`. */
export interface OciSeccomp {
  defaultAction: string
  defaultErrnoRet?: number
  architectures: string[]
  syscalls: OciSeccompRule[]
}

export interface OciSeccompRule {
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

/** containers-common's own format: OCI's with conditions on architecture and capabilities. */
export interface CommonProfile {
  defaultAction: string
  defaultErrnoRet?: number
  archMap?: { architecture: string; subArchitectures?: string[] | null }[]
  syscalls: CommonRule[]
}

/** The profile of this host. @throws MoorageError RUNTIME_MISSING */
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

export interface ProfileTarget {
  /** What containers may have. */
  capabilities: readonly string[]
  /** As Node names it. */
  arch?: string
  /** As uname names it. */
  kernel?: string
}

const architectures: Record<string, { oci: string; go: string }> = {
  x64: { oci: 'SCMP_ARCH_X86_64', go: 'amd64' },
  arm64: { oci: 'SCMP_ARCH_AARCH64', go: 'arm64' },
}

/** A containers-common profile as OCI's: what applies to this machine and these capabilities. */
export function convertProfile(profile: CommonProfile, target: ProfileTarget): OciSeccomp {
  const { capabilities, arch = process.arch, kernel = release() } = target
  const architecture = architectures[arch]
  if (architecture === undefined) {
    throw new MoorageError('RUNTIME_MISSING', { what: `a seccomp profile for ${arch}` })
  }
  const others =
    profile.archMap?.find(({ architecture: one }) => one === architecture.oci)?.subArchitectures ?? []
  const applies = ({ includes, excludes }: CommonRule) =>
    (!includes?.arches?.length || includes.arches.includes(architecture.go)) &&
    (includes?.caps ?? []).every((cap) => capabilities.includes(cap)) &&
    (includes?.minKernel === undefined || isAtLeast(kernel, includes.minKernel)) &&
    !excludes?.arches?.includes(architecture.go) &&
    !(excludes?.caps ?? []).some((cap) => capabilities.includes(cap)) &&
    (excludes?.minKernel === undefined || !isAtLeast(kernel, excludes.minKernel))
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [architecture.oci, ...others],
    syscalls: profile.syscalls.filter(applies).map(({ names, action, errnoRet, args }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args?.length ? { args } : {}),
    })),
  }
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10))
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map((part) => Number.parseInt(part, 10))
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
}

import { join } from 'node:path'
import type { OciTool } from '../oci-tool.ts'
import type { RuntimePaths } from '../runtime-paths.ts'
import { compileSeccomp } from './compile-profile.ts'
import { convertProfile, type OciSeccomp, readProfile } from './profile.ts'

/** A container's filter, as its config.json takes it: crun loads a compiled one, runc compiles the profile each time. */
export type SeccompSetting = { kind: 'compiled'; bpf: string } | { kind: 'profile'; profile: OciSeccomp }

/** Returns a function that gives the filter for a set of capabilities. Each is compiled once, which takes 25 ms. */
export function seccompFilters(
  tool: OciTool,
  paths: RuntimePaths,
): (capabilities: readonly string[]) => SeccompSetting {
  const filters = new Map<string, SeccompSetting>()
  return (capabilities) => {
    const key = capabilities.join()
    const filter = filters.get(key) ?? makeFilter(tool, paths, capabilities)
    filters.set(key, filter)
    return filter
  }
}

function makeFilter(tool: OciTool, paths: RuntimePaths, capabilities: readonly string[]): SeccompSetting {
  const profile = convertProfile(readProfile().profile, { capabilities })
  if (tool.kind === 'runc') return { kind: 'profile', profile }
  return { kind: 'compiled', bpf: compileSeccomp(profile, join(paths.root, 'bpf')).toString('base64') }
}

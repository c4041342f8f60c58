import { accessSync, constants } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { MoorageError } from '../../errors/index.ts'
import { runTool, toolError } from '../../system-tool/index.ts'
import { readIfThere } from './read-if-there.ts'

/** The program that makes the containers. */
export interface OciTool {
  readonly kind: 'crun' | 'runc'
  readonly path: string
  /** Its name and version: `crun 1.8.1`. */
  readonly version: string
}

/** The cure for a cgroup hierarchy that crun refuses. */
export const hybridRemedy = 'moorage setup mounts that controller as version 1; or install runc'

/**
 * Finds the program to use: the requested one, else crun (it starts a container in a third of runc's time), else runc.
 *
 * @param requested - a name or an absolute path
 * @throws MoorageError RUNTIME_MISSING
 */
export async function findOciTool(requested?: string): Promise<OciTool> {
  if (requested !== undefined) {
    const path = isAbsolute(requested) ? requested : findProgram(requested)
    if (path === undefined) throw new MoorageError('RUNTIME_MISSING', { what: requested })
    return describe(path)
  }
  const crun = findProgram('crun')
  const refused = controllersThatCrunRefuses()
  if (crun !== undefined && refused === undefined) return describe(crun)
  const runc = findProgram('runc')
  if (runc !== undefined) return describe(runc)
  const what =
    crun === undefined
      ? 'crun or runc'
      : `cgroups that crun accepts (version 2 holds ${refused}; ${hybridRemedy})`
  throw new MoorageError('RUNTIME_MISSING', { what })
}

/**
 * Returns the controllers for which crun refuses a hybrid cgroup hierarchy: those that its version 2 part holds, and
 * that are therefore in none of version 1.
 */
export function controllersThatCrunRefuses(): string | undefined {
  return readIfThere('/sys/fs/cgroup/unified/cgroup.controllers').trim() || undefined
}

/** Finds a program in PATH, or in the administrator's directories, which a user's PATH may lack. */
export function findProgram(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return directories
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

async function describe(path: string): Promise<OciTool> {
  const kind = basename(path).includes('runc') ? 'runc' : 'crun'
  try {
    const result = await runTool(path, ['--version'])
    if (result.code !== 0) throw toolError(`${path} --version`, result)
    const version = /version\s+(\S+)/.exec(String(result.stdout))?.[1] ?? 'of unknown version'
    return { kind, path, version: `${kind} ${version}` }
  } catch (error) {
    throw new MoorageError('RUNTIME_MISSING', { what: `a working ${path}` }, { cause: error })
  }
}

/** Returns the arguments that stand before the tool's subcommand. */
export function toolArguments(tool: OciTool, { state, log }: { state: string; log: string }): string[] {
  // crun's other manager asks systemd over D-Bus for each container.
  return tool.kind === 'crun'
    ? ['--root', state, '--cgroup-manager=cgroupfs', '--log', `file:${log}`]
    : ['--root', state, '--log', log]
}

/** Builds the error for a tool that failed: with the words of its log, else with the way in which it ended. */
export function toolFailure(
  tool: OciTool,
  { id, log, code, signal }: { id: string; log: string; code: number | null; signal: string | null },
): MoorageError {
  // crun puts a time before each line.
  const words = readIfThere(log)
    .trim()
    .replace(/^\S+Z:\s*/gm, '')
  const ending = signal === null ? `exited with code ${code}` : `was ended by ${signal}`
  return new MoorageError('RUNTIME_FAILED', { id, reason: words || `${tool.version} ${ending}` })
}

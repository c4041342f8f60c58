import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { basename, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import { MoorageError } from '../../errors/index.ts'
import { hybridControllers } from './cgroups/cgroups.ts'

/** The program that makes the containers. */
export interface OciTool {
  readonly kind: 'crun' | 'runc'
  readonly path: string
  /** What it says of itself: `crun 1.8.1`. */
  readonly version: string
}

/** What to do about a cgroup hierarchy that crun refuses. */
export const hybridRemedy = 'moorage setup mounts that controller as version 1; or install runc'

/**
 * The program to use: what is asked for, else crun (it starts a container in a third of runc's time), else runc.
 *
 * @throws MoorageError RUNTIME_MISSING
 */
export async function findOciTool(wanted?: string): Promise<OciTool> {
  if (wanted !== undefined) {
    const path = isAbsolute(wanted) ? wanted : findProgram(wanted)
    if (path === undefined) throw new MoorageError('RUNTIME_MISSING', { what: wanted })
    return describe(path)
  }
  const crun = findProgram('crun')
  const hybrid = hybridControllers()
  if (crun !== undefined && hybrid === undefined) return describe(crun)
  const runc = findProgram('runc')
  if (runc !== undefined) return describe(runc)
  const what =
    crun === undefined
      ? 'crun or runc'
      : `cgroups that crun accepts (version 2 holds ${hybrid}; ${hybridRemedy})`
  throw new MoorageError('RUNTIME_MISSING', { what })
}

/** Where a program is, by PATH and the administrator's directories, which a user's PATH may lack. */
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
    const { stdout } = await promisify(execFile)(path, ['--version'])
    const version = /version\s+(\S+)/.exec(stdout)?.[1] ?? 'of unknown version'
    return { kind, path, version: `${kind} ${version}` }
  } catch (error) {
    throw new MoorageError('RUNTIME_MISSING', { what: `a working ${path}` }, { cause: error })
  }
}

/** The arguments before `run`. */
export function toolArguments(tool: OciTool, { state, log }: { state: string; log: string }): string[] {
  // systemd's manager would be asked over D-Bus for each container.
  return tool.kind === 'crun'
    ? ['--root', state, '--cgroup-manager=cgroupfs', '--log', `file:${log}`]
    : ['--root', state, '--log', log]
}

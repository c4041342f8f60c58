import { join } from 'node:path'
import { defaultPath } from '../../../definition/default-path.ts'
import { moorageError } from '../../../errors/index.ts'
import { extendedAttribute } from '../../../kernel/index.ts'
import type { ContainerSpec } from '../../runtime.ts'
import { type Accessor, mayExecute, maySearch } from '../rootfs/access.ts'
import type { RootView, Walk } from '../rootfs/root-view.ts'
import { demandedCapabilities } from './file-capabilities.ts'
import { programFormat } from './program-format.ts'

/** Who executes a command. `bounding` are the capabilities that a program's file may give, with CAP_. */
export interface Executor extends Accessor {
  readonly bounding: readonly string[]
}

/** A script's interpreter may be a script, and so on: the kernel follows as many (fs/exec.c, exec_binprm). */
const mostInterpreters = 5

/**
 * Looks for the command in the root filesystem, as execvp(3) and execve(2) do: the OCI runtimes exit 1 whether it does not
 * exist, may not be executed, or ran and exited 1. What a look cannot tell is left to the kernel.
 *
 * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE
 */
export function checkCommand(root: RootView, spec: ContainerSpec, who: Executor): void {
  const [command = ''] = spec.args
  const { image } = spec
  const unsuitable = workdirProblem(root, spec.workdir || '/', who)
  if (unsuitable !== undefined)
    throw moorageError('COMMAND_NOT_EXECUTABLE', { command, image, reason: unsuitable })
  let refused: string | undefined
  for (const candidate of candidates(command, spec)) {
    const found = root.walk(candidate, (stat, fd) => maySearch(stat, fd, who))
    if (found.outcome === 'absent' || found.outcome === 'not a directory') continue
    const reason = accessProblem(root, found, who)
    if (reason !== undefined) {
      // Like the shell it goes on to the next directory of PATH.
      refused ??= reason
      continue
    }
    refused = programProblem(root, found.path, spec, who, 0)
    if (refused === undefined) return
    break
  }
  if (refused === undefined) throw moorageError('COMMAND_NOT_FOUND', { command, image })
  throw moorageError('COMMAND_NOT_EXECUTABLE', { command, image, reason: refused })
}

function candidates(command: string, { env, workdir }: ContainerSpec): string[] {
  if (command === '') return []
  if (command.includes('/')) return [command.startsWith('/') ? command : `${workdir}/${command}`]
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? defaultPath
  return path.split(':').map((directory) => {
    const absolute = directory.startsWith('/') ? directory : `${workdir}/${directory}`
    return `${absolute}/${command}`
  })
}

/** The clause of a refusal by permissions. */
function accessProblem(root: RootView, found: Walk, who: Executor): string | undefined {
  if (found.outcome === 'loop') return `${found.path} is a loop of links`
  if (found.outcome === 'denied') return `permission denied: this user may not search ${found.path}`
  if (found.outcome !== 'found') return `${found.path} does not exist`
  if (found.stat.isDirectory()) return 'it is a directory'
  if (!found.stat.isFile()) return 'it is not a regular file'
  const may = root.file(found.path, ({ stat, fd }) => mayExecute(stat, fd, who))
  return may === false
    ? `permission denied: ${found.path} lacks the execute permission for this user`
    : undefined
}

/** The clause of a refusal by the content of a file that may be executed. @param depth - scripts that led to it */
function programProblem(
  root: RootView,
  path: string,
  spec: ContainerSpec,
  who: Executor,
  depth: number,
): string | undefined {
  const file = root.file(path, (file) => ({
    format: programFormat(file),
    capabilities: extendedAttribute(file.fd, 'security.capability'),
  }))
  if (file === undefined) return undefined
  const { format, capabilities } = file
  // Those of a script do not count.
  if (format.kind === 'program' && capabilities !== undefined) {
    const missing = demandedCapabilities(capabilities).filter((name) => !who.bounding.includes(name))
    if (missing.length > 0) return capabilitiesReason(missing)
  }
  if (format.kind === 'none') return format.reason
  const { interpreter } = format
  if (interpreter === undefined) return undefined
  const named = interpreterName(interpreter)
  const at = interpreter.startsWith('/') ? interpreter : join('/', spec.workdir, interpreter)
  const found = root.walk(at, (stat, fd) => maySearch(stat, fd, who))
  if (found.outcome === 'absent' || found.outcome === 'not a directory')
    return `its interpreter ${named} does not exist`
  const reason = accessProblem(root, found, who)
  if (reason !== undefined) return `its interpreter ${named} cannot be executed: ${reason}`
  if (format.kind === 'program') return undefined
  if (depth === mostInterpreters)
    return `its interpreters are scripts, more than ${mostInterpreters} one after the other`
  const inner = programProblem(root, found.path, spec, who, depth + 1)
  return inner === undefined ? undefined : `its interpreter ${named} cannot be executed: ${inner}`
}

function capabilitiesReason(missing: readonly string[]): string {
  const names = missing.map((name) => name.toLowerCase()).join(', ')
  const add = missing.map((name) => `'${name.slice('CAP_'.length)}'`).join(', ')
  return (
    `its file capabilities (${names}) are not among the container's: ` +
    `withResources({ capabilities: { add: [${add}] } })`
  )
}

/** A name with what does not show in it quoted: `"/bin/sh\\r" …`. */
function interpreterName(interpreter: string): string {
  const quoted = JSON.stringify(interpreter.slice(0, 255))
  if (interpreter.endsWith('\r')) return `${quoted} (it ends in a carriage return, as a file of Windows does)`
  return quoted.slice(1, -1) === interpreter ? interpreter : quoted
}

/** The clause of a refusal of the working directory. One that does not exist will be made. */
function workdirProblem(root: RootView, workdir: string, who: Executor): string | undefined {
  // By way of `..`, which only somebody who may enter it can follow.
  const walk = root.walk(`${workdir}/..`, (stat, fd) => maySearch(stat, fd, who))
  const problem = (reason: string) => `the working directory ${workdir}: ${reason}`
  if (walk.outcome === 'found') return undefined
  if (walk.outcome === 'not a directory') return problem(`${walk.path} is not a directory`)
  if (walk.outcome === 'loop') return problem(`${walk.path} is a loop of links`)
  if (walk.outcome === 'denied') return problem(`permission denied: this user may not enter ${walk.path}`)
  return walk.dangling ? problem('it is a link that leads nowhere') : undefined
}

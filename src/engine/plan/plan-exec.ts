import {
  argumentProblem,
  defaultPath,
  digestOfExec,
  digestOfHostService,
  digestOfScratch,
  type ExecOperation,
  type HostServiceOperation,
  hostnameOf,
  labelOf,
  type MountVertex,
  portForwardText,
  sumProblem,
} from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import type { ImageConfig } from '../../images/index.ts'
import {
  emptyConfig,
  isFresh,
  type PlannedBinding,
  type PlannedExec,
  type PlannedFilesystem,
  type PlannedMount,
  type PlannedRoot,
  type PlannedVolume,
  rootOf,
} from './planned.ts'

/** Plans an exec operation: works the defaults of its image in, and computes its digest. */
export function planExecOperation(
  op: ExecOperation,
  input: PlannedFilesystem,
  volumes: PlannedVolume[],
  mounts: PlannedMount[],
  bindings: PlannedBinding[],
): PlannedExec {
  const root = rootOf(input)
  const { config } = root
  const process = {
    args: commandOf(op, root),
    env: environmentOf(config, op.env ?? []),
    user: op.user ?? config.user,
    workdir: op.workdir ?? (config.workdir || '/'),
    stdin: op.stdin,
    expect: op.expect ?? 'success',
  }
  checkProcess(process, op.resources?.ulimits?.stack)
  const sortedVolumes = volumes.toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const digest = digestOfExec({
    input: input.digest,
    ...process,
    mounts: [
      ...sortedVolumes.map(({ path, name, sharing }) => ({
        type: 'cache' as const,
        path,
        volume: name,
        sharing,
      })),
      ...mounts.map(mountVertex),
    ],
    bindings: bindings.map(({ alias, service }) => ({ alias, service: service.exec.digest })),
    hostname: op.hostname,
    instance: op.instance,
    resources: op.resources,
  })
  const label = labelOf(digest)
  return {
    kind: 'exec',
    digest,
    label,
    hostname: hostnameOf(label),
    customName: op.hostname,
    input,
    root,
    ...process,
    volumes: sortedVolumes,
    mounts,
    bindings,
    resources: op.resources ?? {},
    noCache:
      (op.noCache ?? false) ||
      isFresh(input) ||
      mounts.some((mount) => mount.type !== 'temp' && isFresh(mount.source)),
  }
}

/** @throws MoorageError INVALID_DEFINITION when the kernel would not take the command, or a variable of it or of its image */
function checkProcess(
  { args, env }: Pick<PlannedExec, 'args' | 'env'>,
  stack: number | { soft: number } | undefined,
): void {
  const problemOf = () => {
    for (const [name, value] of env) {
      const problem = argumentProblem(`${name}=${value}`)
      if (problem !== undefined) return `variable "${name}": ${problem}`
    }
    return sumProblem(args, env, typeof stack === 'object' ? stack.soft : stack)
  }
  const reason = problemOf()
  if (reason !== undefined) throw new MoorageError('INVALID_DEFINITION', { reason })
}

function mountVertex(mount: PlannedMount): MountVertex {
  return mount.type === 'temp' ? mount : { ...mount, source: mount.source.digest }
}

/** Plans ports of the host as an exec that runs nothing, so that whatever handles services handles these too. */
export function planHostService({ ports }: HostServiceOperation): PlannedExec {
  const digest = digestOfHostService(ports)
  const label = labelOf(digest)
  const root: PlannedRoot = {
    kind: 'root',
    digest: digestOfScratch(),
    ref: 'host',
    name: 'host',
    directory: null,
    config: emptyConfig,
  }
  return {
    kind: 'exec',
    digest,
    label,
    hostname: hostnameOf(label),
    customName: undefined,
    input: root,
    root,
    args: ports.map(portForwardText),
    env: [],
    user: '',
    workdir: '/',
    stdin: undefined,
    expect: 'success',
    volumes: [],
    mounts: [],
    bindings: [],
    resources: {},
    noCache: false,
    hostPorts: ports,
  }
}

/**
 * Returns the command line, as `docker run` would: arguments replace the command, and the entrypoint too unless
 * that is asked for.
 */
function commandOf(op: ExecOperation, { config, ref }: PlannedRoot): string[] {
  const entrypoint = op.entrypoint ?? config.entrypoint
  const args =
    op.args === undefined
      ? [...entrypoint, ...(op.defaultArgs ?? (op.entrypoint ? [] : config.cmd))]
      : op.useEntrypoint
        ? [...entrypoint, ...op.args]
        : op.args
  if (args.length === 0) throw new MoorageError('NO_COMMAND', { image: ref })
  return [...args]
}

function environmentOf(
  config: ImageConfig,
  changes: readonly (readonly [string, string | null])[],
): [string, string][] {
  const variables = new Map<string, string>([['PATH', defaultPath]])
  for (const assignment of config.env) {
    const equals = assignment.indexOf('=')
    if (equals > 0) variables.set(assignment.slice(0, equals), assignment.slice(equals + 1))
  }
  for (const [name, value] of changes) {
    if (value === null) variables.delete(name)
    else variables.set(name, value)
  }
  return [...variables].sort(([a], [b]) => (a < b ? -1 : 1))
}

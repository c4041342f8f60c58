import { mkdirSync, rmdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { asMoorageError, MoorageError } from '../../../errors/index.ts'
import type { ContainerSpec } from '../../runtime.ts'
import { removeCgroup } from '../cgroups/cgroups.ts'
import { favourCgroupMoves, unfavourCgroupMoves } from '../cgroups/favour-moves.ts'
import type { SeccompSetting } from '../container/config.ts'
import { Container, type ContainerContext } from '../container/container.ts'
import { capabilities } from '../container/defaults.ts'
import { hardLimits } from '../container/ulimits.ts'
import { findOciTool, type OciTool } from '../oci-tool.ts'
import { Reaper } from '../processes/reaper.ts'
import { cgroupName, type RuntimePaths, runtimePaths } from '../runtime-paths.ts'
import { compileSeccomp } from '../seccomp/compile-profile.ts'
import { convertProfile, readProfile } from '../seccomp/profile.ts'
import { type FromLauncher, jsonLine, onJsonLines, type ToLauncher } from './messages.ts'

/**
 * The launcher: a small process of the daemon's that mounts, forks and reads containers' output, in a mount namespace
 * and a session of its own. A fork from the daemon would hold up its DNS server for milliseconds.
 *
 * Usage: node launcher.ts INSTANCE RUN_DIRECTORY [OCI_RUNTIME], spoken to by messages.ts.
 */
const [instance = '', runDirectory = '', wantedTool] = process.argv.slice(2)

const containers = new Map<string, Container>()
let closing = false
const givingUp = new AbortController()
let favoured: Promise<void> | undefined

function tell(message: FromLauncher): void {
  process.stdout.write(jsonLine(message))
}

function start(context: ContainerContext, spec: ContainerSpec): void {
  const { id } = spec
  const container = new Container(context, spec, {
    started: (pid, notes) => tell({ type: 'started', id, pid, notes }),
    failed: (error) => tell({ type: 'failed', id, error: asMoorageError(error).toJSON() }),
    exited: (exit) => tell({ type: 'exited', id, ...exit }),
    problem: (what, error) => tell({ type: 'problem', what, reason: String(error) }),
  })
  containers.set(id, container)
  void container.removed.then(() => containers.delete(id))
  if (closing) container.kill()
  container.start()
}

async function exec({ id, exec, spec }: Extract<ToLauncher, { type: 'exec' }>): Promise<void> {
  try {
    const container = containers.get(id)
    if (container === undefined) throw new MoorageError('RUNTIME_FAILED', { id, reason: 'it has ended' })
    tell({ type: 'execEnded', exec, ...(await container.exec(exec, spec)) })
  } catch (error) {
    tell({ type: 'execFailed', exec, error: asMoorageError(error).toJSON() })
  }
}

/** The daemon has closed us, or is gone: what it has started ends with it. */
async function close(paths: RuntimePaths): Promise<void> {
  if (closing) return
  closing = true
  for (const container of containers.values()) container.kill()
  await Promise.all([...containers.values()].map(({ removed }) => removed))
  removeCgroup(cgroupName(instance))
  givingUp.abort()
  await favoured
  unfavourCgroupMoves(join(paths.root, 'cgroup'))
  // Fails where a bundle is left, with something mounted in it that must not be emptied.
  rmdirSync(paths.bundles)
  // Not rmSync: should the OCI runtime still be removing something of its own there, that gives up without a word.
  await rm(paths.root, { recursive: true, force: true })
  process.exit(0)
}

function seccompFor(tool: OciTool, paths: RuntimePaths, capable: readonly string[]): SeccompSetting {
  const profile = convertProfile(readProfile().profile, { capabilities: capable })
  if (tool.kind === 'runc') return { kind: 'profile', profile }
  return { kind: 'compiled', bpf: compileSeccomp(profile, join(paths.root, 'bpf')).toString('base64') }
}

/** Compiled once for each set of capabilities: it takes 25 ms. */
function seccompFilters(tool: OciTool, paths: RuntimePaths): (capable: readonly string[]) => SeccompSetting {
  const known = new Map<string, SeccompSetting>()
  return (capable) => {
    const key = capable.join()
    const filter = known.get(key) ?? seccompFor(tool, paths, capable)
    known.set(key, filter)
    return filter
  }
}

async function main(): Promise<void> {
  // When the daemon is gone, so are the readers of what is said; the work goes on.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  // It ends when the daemon does, not before: a service manager signals all processes at once.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

  const paths = runtimePaths(runDirectory)
  const queue: ToLauncher[] = []
  let handle = (message: ToLauncher): void => void queue.push(message)
  onJsonLines<ToLauncher>(process.stdin, (message) => handle(message))
  process.stdin.on('close', () => void close(paths))
  try {
    mkdirSync(paths.state, { recursive: true, mode: 0o700 })
    mkdirSync(paths.bundles, { recursive: true, mode: 0o700 })
    const tool = await findOciTool(wantedTool)
    const context: ContainerContext = {
      instance,
      paths,
      tool,
      seccomp: seccompFilters(tool, paths),
      hardLimits: hardLimits(),
      reaper: new Reaper(),
    }
    // Now: whatever is wrong with it is a reason not to begin.
    context.seccomp(capabilities)
    handle = (message) => {
      if (message.type === 'start') start(context, message.spec)
      else if (message.type === 'signal') containers.get(message.id)?.signal(message.name)
      else if (message.type === 'kill') containers.get(message.id)?.kill()
      else if (message.type === 'exec') void exec(message)
      else containers.get(message.id)?.killExec(message.exec)
    }
    // Nobody waits for it: the first containers start without.
    favoured = favourCgroupMoves(instance, join(paths.root, 'cgroup'), givingUp.signal)
    for (const message of queue) handle(message)
    tell({ type: 'ready', runtime: tool.version })
  } catch (error) {
    tell({ type: 'unusable', error: asMoorageError(error).toJSON() })
    process.stdin.destroy()
  }
}

await main()

import { mkdirSync, rmdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { asMoorageError, MoorageError } from '../../../errors/index.ts'
import { withoutUndefined } from '../../../without-undefined.ts'
import { instanceCgroup, removeCgroup } from '../cgroups/cgroups.ts'
import { execGroups } from '../cgroups/exec-group.ts'
import { mountOwnHierarchy, unmountOwnHierarchy } from '../cgroups/own-hierarchy.ts'
import { defaultCapabilities } from '../container/capabilities.ts'
import {
  type ContainerContext,
  type ContainerEvents,
  LaunchedContainer,
} from '../container/launched-container.ts'
import { readHardLimits } from '../container/ulimits.ts'
import { findOciTool } from '../oci-tool.ts'
import { Reaper } from '../processes/reaper.ts'
import { type RuntimePaths, runtimePaths } from '../runtime-paths.ts'
import { seccompFilters } from '../seccomp/filters.ts'
import { type FromLauncher, jsonLine, onJsonLines, type ToLauncher } from './messages.ts'

/**
 * The launcher: a small process of the daemon that mounts, forks and reads containers' output, in a mount namespace and a
 * session of its own. A fork from the daemon itself would hold up its DNS server for milliseconds.
 *
 * Usage: node launcher.ts INSTANCE RUN_DIRECTORY [OCI_RUNTIME]. It reads and writes the messages of messages.ts.
 */
const [instance = '', runDirectory = '', requestedTool] = process.argv.slice(2)

const containers = new Map<string, LaunchedContainer>()
let closing = false
/** Aborted when the launcher closes. */
const closed = new AbortController()
let mounting: Promise<boolean> | undefined

function send(message: FromLauncher): void {
  process.stdout.write(jsonLine(message))
}

function start(context: ContainerContext, { spec, upTo }: Extract<ToLauncher, { type: 'start' }>): void {
  const { id } = spec
  const events: ContainerEvents = {
    started: (pid, notes) => send({ type: 'started', id, pid, notes }),
    failed: (error) => send({ type: 'failed', id, error: asMoorageError(error).toJSON() }),
    exited: (exit) => send({ type: 'exited', id, ...exit }),
    held: (exec) => send({ type: 'held', id, ...withoutUndefined({ exec }) }),
    logFailed: (error, exec) => {
      const { code, message } = error as NodeJS.ErrnoException
      send({ type: 'logFailed', id, reason: message, ...withoutUndefined({ exec, code }) })
    },
    inputOpened: (path) => send({ type: 'inputOpened', path }),
    problem: (what, error) => send({ type: 'problem', what, reason: String(error) }),
  }
  const container = new LaunchedContainer(context, spec, events, upTo)
  containers.set(id, container)
  void container.removed.then(() => containers.delete(id))
  if (closing) container.kill()
  container.start()
}

async function exec({ id, exec, spec, upTo }: Extract<ToLauncher, { type: 'exec' }>): Promise<void> {
  try {
    const container = containers.get(id)
    if (container === undefined) throw new MoorageError('RUNTIME_FAILED', { id, reason: 'it has ended' })
    send({ type: 'execEnded', exec, ...(await container.exec(exec, spec, upTo)) })
  } catch (error) {
    send({ type: 'execFailed', exec, error: asMoorageError(error).toJSON() })
  }
}

/** Ends all containers and this process: the daemon has closed the launcher, or is gone. */
async function close(paths: RuntimePaths): Promise<void> {
  if (closing) return
  closing = true
  for (const container of containers.values()) container.kill()
  await Promise.all([...containers.values()].map(({ removed }) => removed))
  removeCgroup(instanceCgroup(instance))
  closed.abort()
  await mounting
  unmountOwnHierarchy(paths.cgroup)
  // This fails if a bundle is left, with something mounted in it that must not be emptied.
  rmdirSync(paths.bundles)
  // Not rmSync: it gives up silently if the OCI runtime is removing files of its own there at the same time.
  await rm(paths.root, { recursive: true, force: true })
  process.exit(0)
}

async function main(): Promise<void> {
  // When the daemon is gone nobody reads these any more; the work goes on.
  process.stdout.on('error', () => undefined)
  process.stderr.on('error', () => undefined)
  // The launcher ends after the daemon, not before: a service manager signals all processes at once.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)

  const paths = runtimePaths(runDirectory)
  const queue: ToLauncher[] = []
  let handle = (message: ToLauncher): void => void queue.push(message)
  onJsonLines<ToLauncher>(process.stdin, (message) => handle(message))
  process.stdin.on('close', () => void close(paths))
  try {
    mkdirSync(paths.state, { recursive: true, mode: 0o700 })
    mkdirSync(paths.bundles, { recursive: true, mode: 0o700 })
    const tool = await findOciTool(requestedTool)
    // Only commands in running containers wait for this: the first containers start without it.
    mounting = mountOwnHierarchy(instance, paths.cgroup, closed.signal)
    const context: ContainerContext = {
      instance,
      paths,
      tool,
      seccomp: seccompFilters(tool, paths),
      hardLimits: readHardLimits(),
      reaper: new Reaper(),
      makeExecGroup: execGroups(instance, paths.cgroup, mounting),
    }
    // Compiled now, because a filter that cannot be made is a reason not to begin.
    context.seccomp(defaultCapabilities)
    handle = (message) => {
      if (message.type === 'start') start(context, message)
      else if (message.type === 'signal') containers.get(message.id)?.signal(message.name)
      else if (message.type === 'kill') containers.get(message.id)?.kill()
      else if (message.type === 'exec') void exec(message)
      else if (message.type === 'allow')
        containers.get(message.id)?.allow(message.upTo ?? Infinity, message.exec)
      else containers.get(message.id)?.endExec(message.exec)
    }
    for (const message of queue) handle(message)
    send({ type: 'ready', runtime: tool.version })
  } catch (error) {
    send({ type: 'unusable', error: asMoorageError(error).toJSON() })
    process.stdin.destroy()
  }
}

await main()

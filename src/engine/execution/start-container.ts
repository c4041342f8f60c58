import { chmod, rm } from 'node:fs/promises'
import type { RunRow } from '../../definition/index.ts'
import { scopedKey } from '../../lifecycle/index.ts'
import type { Member } from '../../network/index.ts'
import type { InputStream, RunningContainer } from '../../runtime/runtime.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { EngineContext } from '../context.ts'
import type { PlannedExec } from '../plan/planned.ts'
import { ReaderPace } from '../registry/reader-pace.ts'
import type { RunRecord } from '../registry/run-records.ts'
import type { Releases } from '../release.ts'
import type { PreparedContainer } from './prepare-container.ts'

/** A container of an exec vertex that has been started. */
export interface StartedContainer {
  readonly container: RunningContainer
  readonly member: Pick<Member, 'address'>
  readonly record: RunRecord
  /** The directory that holds what it wrote. */
  readonly upper: string
}

export interface StartContainer extends Omit<PreparedContainer, 'leases'> {
  exec: PlannedExec
  kind: RunRecord['kind']
  /** Its standard input, if that is a stream. */
  input?: InputStream | undefined
  signal: AbortSignal
  /** Gets what is to be released when it has ended, or could not be started. */
  releases: Releases
}

/**
 * Joins a network and starts a container in it. The name is in DNS and the aliases are in place before the process
 * exists.
 */
export async function startContainer(
  context: EngineContext,
  options: StartContainer,
): Promise<StartedContainer> {
  const { store, runtime, records } = context
  const { exec, kind, network, lowers, mounts, volumes, input, signal, releases } = options
  await context.turns.take()
  store.ensureSpace()
  const id = records.nextId(exec.label)
  const upper = await store.temporary()
  releases.add('remove what it wrote', () => rm(upper, { recursive: true, force: true }))
  // It becomes the container's /, which not only root may enter.
  await chmod(upper, 0o755)
  // Kept after the end for those who ask for it then; the records remove it, or the sweep of the next start.
  const logs = await store.temporary()

  await context.turns.take()
  const hostname = exec.customName ?? exec.label
  // A server that looks up the name that its clients use, as it starts, finds itself.
  const ownAliases =
    kind === 'service' ? (context.services.get(scopedKey(network.name, exec.label))?.aliases ?? []) : []
  const member = await network.join({
    name: exec.label,
    names: exec.customName === undefined ? [] : [exec.customName],
    hostname,
    aliases: {
      ...Object.fromEntries(ownAliases.map((alias) => [alias, exec.label])),
      ...Object.fromEntries(exec.bindings.map(({ alias, service }) => [alias, service.exec.label])),
    },
    service: kind === 'service',
    signal,
  })
  releases.add('leave the network', () => member.release())

  const ended = new AbortController()
  const row = describeRun(exec, network.name, member.address)
  // Nobody ever holds up a service: its output is written as fast as it comes.
  const pace =
    kind === 'exec' ? new ReaderPace({ limit: context.logLimit, directory: store.directory }) : undefined
  const record: RunRecord = {
    id,
    label: exec.label,
    kind,
    row,
    exec,
    logs,
    ended: ended.signal,
    ...withoutUndefined({ pace }),
    cancelled: false,
    stored: false,
  }
  records.add(record)
  try {
    await context.turns.take()
    const container = await runtime.start(
      {
        id,
        image: exec.root.ref,
        args: exec.args,
        env: exec.env.map(([name, value]) => `${name}=${value}`),
        user: exec.user,
        workdir: exec.workdir,
        ...withoutUndefined({ stdin: exec.stdin, logLimit: context.logLimit }),
        hostname,
        lowers,
        upper,
        namespace: member.namespace,
        mounts: [
          { type: 'bind', source: member.hostsFile, destination: '/etc/hosts', readonly: true },
          { type: 'bind', source: member.resolvConf, destination: '/etc/resolv.conf', readonly: true },
          ...(member.hostConf === undefined ? [] : [hostConfMount(member.hostConf)]),
          ...mounts,
          ...exec.volumes.map((volume) => ({
            type: 'bind' as const,
            source: volumes.directoryOf(volume),
            destination: volume.path,
            readonly: false,
          })),
        ],
        logs,
        resources: exec.resources,
      },
      { signal, ...withoutUndefined({ pace, input }) },
    )
    record.container = container
    for (const note of container.notes) context.log('warn', note, { container: id })
    void container.exited.then(({ code }) => end(record, ended, code))
    return { container, member, record, upper }
  } catch (error) {
    record.cancelled ||= signal.aborted && kind === 'exec'
    end(record, ended, null)
    throw error
  }
}

function hostConfMount(source: string) {
  return { type: 'bind' as const, source, destination: '/etc/host.conf', readonly: true }
}

function end({ row, cancelled }: RunRecord, ended: AbortController, exitCode: number | null): void {
  row.endedAt = Date.now()
  row.exitCode = exitCode
  row.state = cancelled ? 'cancelled' : exitCode === 0 ? 'done' : 'failed'
  ended.abort()
}

function describeRun(exec: PlannedExec, network: string, address: string): RunRow {
  return {
    id: exec.label.slice(0, 12),
    label: exec.label,
    network,
    state: 'running',
    image: exec.root.ref,
    args: [...exec.args],
    address,
    bindings: Object.fromEntries(exec.bindings.map(({ alias, service }) => [alias, service.exec.hostname])),
    callers: 0,
    ports: [],
    hostPorts: [],
    startedAt: Date.now(),
    endedAt: null,
    exitCode: null,
  }
}

import type { Lease, RunningService, ServiceDriver } from '../../lifecycle/index.ts'
import { tailLog } from '../../logs/index.ts'
import type { Berths } from '../../network/index.ts'
import type { EngineContext } from '../context.ts'
import { outOfMemory } from '../plan/out-of-memory.ts'
import type { PlannedExec, PlannedService } from '../plan/planned.ts'
import { probesOf } from '../probes/index.ts'
import { Releases } from '../release.ts'
import { acquireBindings } from './bindings.ts'
import { filesystemOf } from './filesystem.ts'
import { serviceNetworkOf } from './hold-service.ts'
import { startHostService } from './host-service.ts'
import { mountsOf } from './mounts.ts'
import { startContainer } from './start-container.ts'

/** How many bytes of each stream an error shows. */
const shownTail = 4_096

/** How the lifecycle runs this service: start it with its own bindings, probe it, stop it, let go of everything. */
export function serviceDriver(
  context: EngineContext,
  service: PlannedService,
  networkName: string,
): ServiceDriver {
  const { exec } = service
  const owner = `${networkName}/service ${exec.label}`
  return {
    label: exec.label,
    hostname: exec.hostname,
    describe: { service, network: networkName },
    mayLinger: () => !context.volumes.isWanted(owner),
    async start({ signal, report }) {
      const releases = new Releases()
      try {
        const names = context.hostnames.claim(networkName, exec)
        releases.add('let go of its names', () => names[Symbol.dispose]())
        const { network, release } = await context.networks.use(networkName)
        releases.add('leave the network', release)
        if (exec.hostPorts) {
          const berths = serviceNetworkOf(context, networkName)
          return await startHostService({ exec, ports: exec.hostPorts, network: berths, signal, releases })
        }
        const caller = { signal, onEvent: () => undefined }
        const made = { network: networkName, owner, caller, releases }
        const lowers = await filesystemOf(context, exec.input, made)
        const mounts = await mountsOf(context, exec, made)
        const leases = await acquireBindings(context, {
          bindings: exec.bindings,
          network: networkName,
          holder: `service ${exec.label}`,
          caller,
          releases,
        })
        const volumes = await context.volumes.acquire(exec, { owner, signal, onWait: report })
        releases.add('let go of its volumes', () => volumes[Symbol.dispose]())
        report(`starting ${exec.args.join(' ')}`)
        const started = await startContainer(context, {
          exec,
          kind: 'service',
          network,
          lowers,
          mounts,
          volumes,
          signal,
          releases,
        })
        for (const note of started.container.notes) report(note)
        return running(context, exec, { started, network, leases, releases })
      } catch (error) {
        await releases.run()
        throw error
      }
    },
  }
}

interface Running {
  started: Awaited<ReturnType<typeof startContainer>>
  network: Berths
  leases: readonly Lease[]
  releases: Releases
}

function running(
  context: EngineContext,
  exec: PlannedExec,
  { started: { container, member, record }, network, leases, releases }: Running,
): RunningService {
  // A service whose own service is gone cannot do its work: it ends too, and its clients learn why.
  let cause: Error | undefined
  for (const lease of leases) {
    void lease.lost.then((error) => {
      cause ??= error
      return container.signal('SIGKILL')
    })
  }
  const probes = probesOf({
    pid: container.pid,
    address: member.address,
    startedAt: record.row.startedAt,
    container,
    logs: record.logs,
    ended: record.ended,
    connect: (port, signal) => network.network.connectTcp(member.address, port, { signal }),
  })
  return {
    address: member.address,
    exited: container.exited.then(({ outOfMemory: killed, ...exit }) => {
      if (killed) cause ??= outOfMemory(exec, { exitCode: exit.code, stdout: '', stderr: '' })
      return cause ? { ...exit, cause } : exit
    }),
    async probe(check, signal) {
      await context.probing.take(signal)
      return probes.probe(check, signal)
    },
    signal: (name) => container.signal(name),
    async tail() {
      const { stdout, stderr } = await tailLog(record.logs, shownTail)
      return [stdout, stderr]
        .map((stream) => stream.toString().trimEnd())
        .filter(Boolean)
        .join('\n')
    },
    release() {
      probes[Symbol.dispose]()
      return releases.run()
    },
  }
}

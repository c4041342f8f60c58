import type { ServiceDriver, ServiceProcess } from '../../lifecycle/index.ts'
import { lastBytes } from '../../logs/index.ts'
import type { EngineContext } from '../context.ts'
import { enterServiceNetwork } from '../networks/enter-network.ts'
import { notExecutable, outOfMemory } from '../plan/ended-by-kernel.ts'
import type { PlannedExec, PlannedService } from '../plan/planned.ts'
import { stopSignalNote } from '../plan/stop-signal.ts'
import { probesOf } from '../probes/index.ts'
import { serviceHolder } from '../registry/wait-graph.ts'
import { Releases } from '../release.ts'
import { shownName } from '../shown-name.ts'
import { startHostService } from './host-service.ts'
import { type PreparedContainer, prepareContainer } from './prepare-container.ts'
import { type StartedContainer, startContainer } from './start-container.ts'

/** The most bytes of each stream that an error shows. */
const shownTail = 4_096

/** Makes the driver of a service: starts it with its own bindings, probes it, stops it, lets go of everything. */
export function serviceDriver(
  context: EngineContext,
  service: PlannedService,
  networkName: string,
): ServiceDriver {
  const { exec } = service
  const holder = serviceHolder(exec, networkName)
  return {
    label: exec.label,
    hostname: exec.hostname,
    nameFor: (alias) => shownName(exec, alias),
    image: exec.root.ref,
    describe: { service, network: networkName },
    mayLinger: () => !context.volumes.isWanted(holder),
    async start({ signal, report }) {
      const releases = new Releases()
      try {
        const names = context.hostnames.claim(networkName, exec)
        releases.add('let go of its names', () => names[Symbol.dispose]())
        if (exec.hostPorts) {
          const network = await enterServiceNetwork(context, networkName, releases)
          return await startHostService({ exec, ports: exec.hostPorts, network, signal, releases })
        }
        const prepared = await prepareContainer(context, {
          exec,
          network: networkName,
          holder,
          signal,
          onWait: report,
          releases,
        })
        report(`starting ${exec.args.join(' ')}`)
        const started = await startContainer(context, {
          exec,
          kind: 'service',
          ...prepared,
          signal,
          releases,
        })
        for (const note of started.container.notes) report(note)
        const note = stopSignalNote(service)
        if (note !== undefined) {
          report(note)
          context.log('warn', note, { container: started.record.id })
        }
        return processOf(context, exec, { started, prepared, releases })
      } catch (error) {
        await releases.run()
        throw error
      }
    },
  }
}

/** A service's container as the lifecycle sees it. */
function processOf(
  context: EngineContext,
  exec: PlannedExec,
  {
    started: { container, member, record },
    prepared: { network, leases },
    releases,
  }: { started: StartedContainer; prepared: PreparedContainer; releases: Releases },
): ServiceProcess {
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
    exited: container.exited.then(({ outOfMemory: killed, refused, ...exit }) => {
      if (killed) cause ??= outOfMemory(exec, { exitCode: exit.code, stdout: '', stderr: '' })
      if (refused !== undefined) cause ??= notExecutable(exec, refused)
      return cause ? { ...exit, cause } : exit
    }),
    async probe(check, signal) {
      await context.probing.take(signal)
      return probes.probe(check, signal)
    },
    signal: (name) => container.signal(name),
    async tail() {
      const { stdout, stderr } = await lastBytes(record.logs, shownTail)
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

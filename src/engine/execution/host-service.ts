import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { HostPort } from '../../definition/index.ts'
import type { CheckAnswer, ServiceCheck, ServiceExit, ServiceProcess } from '../../lifecycle/index.ts'
import type { ServiceNetwork } from '../../network/index.ts'
import type { PlannedExec } from '../plan/planned.ts'
import type { Releases } from '../release.ts'

export interface HostServiceStart {
  exec: PlannedExec
  ports: readonly HostPort[]
  network: ServiceNetwork
  signal: AbortSignal
  /** Gets what is to be released when it has ended, or could not be started. */
  releases: Releases
}

/**
 * Starts ports of this host as a service: a sandbox in which the daemon itself listens, and copies to 127.0.0.1. Only
 * clients that are bound to it may use it, whatever the network's isolation is; the others' connections are reset.
 */
export async function startHostService(options: HostServiceStart): Promise<ServiceProcess> {
  const { exec, ports, network, signal, releases } = options
  const names = [exec.label, ...(exec.customName === undefined ? [] : [exec.customName])]
  const member = await network.join({ names, service: true, signal })
  releases.add('leave the network', () => member.release())
  const admits = (client: string) => network.isBound(client, names)
  // Names of the service lead to both of its addresses.
  const { address, address6 } = member.sandbox
  for (const own of address6 === undefined ? [address] : [address, address6]) {
    for (const { host, service, protocol } of ports) {
      await member.sandbox.forward({ port: service, address: own, to: { port: host }, protocol, admits })
    }
  }
  const exited = Promise.withResolvers<ServiceExit>()
  return {
    address: member.address,
    exited: exited.promise,
    probe: (check, attempt) => probeHost(check, ports, attempt),
    async signal(name) {
      exited.resolve({ code: 0, signal: name })
    },
    tail: async () => '',
    release: () => releases.run(),
  }
}

/** Asks the host's own server: the forward accepts in any case. */
async function probeHost(
  check: ServiceCheck,
  ports: readonly HostPort[],
  signal: AbortSignal,
): Promise<CheckAnswer> {
  const port = 'port' in check ? ports.find(({ service }) => service === check.port) : undefined
  if (check.kind !== 'tcp' || port === undefined) {
    return { ok: false, answer: 'a service of the host can be checked by its TCP ports only', final: true }
  }
  const socket: Socket = connect({ host: '127.0.0.1', port: port.host, signal })
  try {
    await once(socket, 'connect')
    return { ok: true }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return {
      ok: false,
      answer: code === 'ECONNREFUSED' ? `127.0.0.1:${port.host} of the host refuses` : message,
    }
  } finally {
    socket.destroy()
  }
}

/** The thread that answers DNS queries, for all networks of the process. See dns-thread.ts for why. */
import { closeSync, openSync, readlinkSync } from 'node:fs'
import { setPriority } from 'node:os'
import { basename } from 'node:path'
import { parentPort, receiveMessageOnPort } from 'node:worker_threads'
import { createDnsServer, type DnsServer, type DnsServerOptions } from '../../dns/index.ts'
import { bindBatchedUdp, listenTcp, NetnsError } from '../../netns/index.ts'
import { applyChanges } from './dns-change.ts'
import type { FromDnsThread, OpenMessage, ToDnsThread } from './dns-thread.ts'

const door = parentPort
if (door === null) throw new Error('dns-worker.ts is started by dns-thread.ts')

/** A client waits for each answer, and all of them take little time: at nice -5 they go before longer work. */
const niceness = -5

/** Raises the thread's priority; Linux takes a thread's id for a process's (setpriority(2)). */
function goFirst(): void {
  try {
    setPriority(Number(basename(readlinkSync('/proc/thread-self'))), niceness)
  } catch {
    // Only root may (CAP_SYS_NICE); without that right the thread takes its turn like any other.
  }
}

goFirst()
door.on('message', (message: OpenMessage | 'end') => {
  if (message === 'end') door.close()
  else void serve(message)
})

/** Answers for one network, until it is told to stop. */
async function serve({
  port,
  posted,
  zone,
  reverse,
  upstreams,
  namespace,
  gateway,
}: OpenMessage): Promise<void> {
  let dns: DnsServer
  let handled = 0
  const tell = (message: FromDnsThread) => port.postMessage(message)
  const handle = (message: ToDnsThread) => {
    handled += 1
    if (message !== 'close') return applyChanges(dns, zone, message)
    void dns.close().then(() => {
      tell({ type: 'closed' })
      port.close()
    })
  }
  /** Handles the messages that were posted before the query came: they are in the port's queue by now. */
  const beforeAnswer = () => {
    if (Atomics.load(posted, 0) === handled) return
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) handle(next.message)
  }
  try {
    dns = await listen(namespace, gateway, {
      zones: [zone],
      reverse,
      upstreams,
      shortNames: true,
      beforeAnswer,
    })
    port.on('message', handle)
    tell({ type: 'ready' })
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    tell({ type: 'failed', message, stack, errno: error instanceof NetnsError ? error.errno : undefined })
    port.close()
  }
}

async function listen(namespace: string, gateway: string, options: DnsServerOptions): Promise<DnsServer> {
  const fd = openSync(namespace, 'r')
  try {
    const udp = bindBatchedUdp(gateway, 53, { namespace: fd })
    const tcp = await listenTcp(fd, gateway, 53).catch((error) => {
      udp.close()
      throw error
    })
    // The server takes the sockets over, and closes them on failure too.
    return await createDnsServer({ ...options, listen: [{ udp, tcp }] })
  } finally {
    closeSync(fd)
  }
}

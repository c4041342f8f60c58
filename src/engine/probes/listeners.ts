import { readFile } from 'node:fs/promises'

/** A socket that waits for connections or packets, as the kernel lists it. */
export interface ListeningSocket {
  readonly port: number
  /** True if only the container itself can reach it. */
  readonly loopback: boolean
}

/**
 * States in /proc/net/tcp and /proc/net/udp, proc(5): LISTEN; and CLOSE, of a UDP socket that is bound to no peer.
 */
const waiting = { tcp: '0A', udp: '07' } as const

/**
 * Lists the sockets that wait for others in the network namespace of a process; none once the process has gone.
 *
 * @see proc_net(5): addresses are hexadecimal, in the byte order of the host, four bytes at a time
 */
export async function listenersOf(pid: number, protocol: 'tcp' | 'udp'): Promise<ListeningSocket[]> {
  return (await waitingSockets(pid, protocol)).map(({ port, loopback }) => ({ port, loopback }))
}

/** A listening socket with the address that it is bound to: `127.0.0.1`, `::`. */
export interface BoundSocket extends ListeningSocket {
  readonly address: string
}

/** The same with their addresses. */
export async function waitingSockets(pid: number, protocol: 'tcp' | 'udp'): Promise<BoundSocket[]> {
  const [four, six] = await Promise.all([
    table(`/proc/${pid}/net/${protocol}`),
    table(`/proc/${pid}/net/${protocol}6`),
  ])
  return [...four, ...six].flatMap((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    if (state !== waiting[protocol]) return []
    return [{ port: Number.parseInt(port, 16), loopback: isLoopback(address), address: addressText(address) }]
  })
}

/** True for 127.0.0.0/8, ::1, and 127.0.0.0/8 mapped into IPv6; all hosts that this runs on are little-endian. */
export function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F')
  return (
    address === '00000000000000000000000001000000' ||
    (address.startsWith('0000000000000000FFFF0000') && address.endsWith('7F'))
  )
}

/** Writes an address of these tables as people do. */
export function addressText(hex: string): string {
  const bytes = [...Buffer.from(hex, 'hex')]
  const inOrder = bytes.map((_, at) => bytes[(at & ~3) + 3 - (at & 3)] ?? 0)
  if (inOrder.length === 4) return inOrder.join('.')
  const groups = Array.from({ length: 8 }, (_, at) =>
    (((inOrder[2 * at] ?? 0) << 8) | (inOrder[2 * at + 1] ?? 0)).toString(16),
  )
  if (groups.slice(0, 6).join(':') === '0:0:0:0:0:ffff') return inOrder.slice(12).join('.')
  // WHATWG URLs write IPv6 addresses as RFC 5952 asks for.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

async function table(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).split('\n').slice(1, -1)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ESRCH, EINVAL: the process went between the open and the read.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EINVAL') return []
    throw error
  }
}

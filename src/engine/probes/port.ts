import type { CheckAnswer } from '../../lifecycle/index.ts'
import { type BoundSocket, waitingSockets } from './listeners.ts'
import type { ProbeTarget } from './target.ts'

/**
 * For so many milliseconds after its start a service has not failed to listen, it has only just begun: the reason
 * for a refusal is not looked into.
 */
const youngFor = 200

/** Connects to the service's own address: a server that listens on 127.0.0.1 only is not healthy. */
export async function probeTcp(target: ProbeTarget, port: number, signal: AbortSignal): Promise<CheckAnswer> {
  try {
    const socket = await target.connect(port, signal)
    socket.destroy()
    return { ok: true }
  } catch (error) {
    return { ok: false, answer: await whyNot(target, port, error) }
  }
}

/** Looks for a bound socket: nobody knows what a server would answer to a packet that it did not ask for. */
export async function probeUdp(target: ProbeTarget, port: number): Promise<CheckAnswer> {
  const bound = await waitingSockets(target.pid, 'udp')
  if (bound.some((listener) => listener.port === port && !listener.loopback)) return { ok: true }
  return { ok: false, answer: describe(bound, port, 'not bound') }
}

/** Says in a few words why a connection failed, and what the container listens on instead, if that can be seen. */
export async function whyNot(target: ProbeTarget, port: number, error: unknown): Promise<string> {
  const { code, message } = error as NodeJS.ErrnoException
  const { cause } = error as { cause?: NodeJS.ErrnoException }
  const refused = cause?.code ?? code
  if (refused === 'ETIMEDOUT' || refused === 'TIMEOUT') return 'no answer'
  if (refused === 'EHOSTUNREACH') return 'unreachable'
  if (refused !== 'ECONNREFUSED') return message
  if (Date.now() - target.startedAt < youngFor) return 'refused'
  return describe(await waitingSockets(target.pid, 'tcp'), port, 'refused')
}

/** Says where the container listens instead; `0.0.0.0` at the port means that it has begun to, just now. */
export function describe(listeners: readonly BoundSocket[], port: number, plain: string): string {
  const there = [...new Set(listeners.filter((one) => one.port === port).map(({ address }) => address))]
  if (there.includes('0.0.0.0')) return plain
  if (there.length > 0) {
    // A socket at :: that refuses IPv4 has IPV6_V6ONLY set.
    const where = there.includes('::') ? `${port} for IPv6` : there.slice(0, 5).join(' and ')
    return `${plain}: it listens on ${where} only; let it listen on 0.0.0.0`
  }
  const others = [...new Set(listeners.filter(({ loopback }) => !loopback).map((listener) => listener.port))]
  if (others.length === 0) return plain
  return `${plain}: it listens on ${others
    .sort((a, b) => a - b)
    .slice(0, 5)
    .join(', ')} instead`
}

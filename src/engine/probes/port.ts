import type { CheckAnswer } from '../../lifecycle/index.ts'
import { type ListeningSocket, listenersOf } from './listeners.ts'
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
  const bound = await listenersOf(target.pid, 'udp')
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
  return describe(await listenersOf(target.pid, 'tcp'), port, 'refused')
}

function describe(listeners: readonly ListeningSocket[], port: number, plain: string): string {
  if (listeners.some((listener) => listener.port === port && listener.loopback)) {
    return `${plain}: it listens on 127.0.0.1 only; let it listen on 0.0.0.0`
  }
  const others = [...new Set(listeners.filter(({ loopback }) => !loopback).map((listener) => listener.port))]
  if (others.length === 0) return plain
  return `${plain}: it listens on ${others
    .sort((a, b) => a - b)
    .slice(0, 5)
    .join(', ')} instead`
}

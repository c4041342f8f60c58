import type { Answer } from '../../lifecycle/index.ts'
import { type Listener, listenersOf } from './listeners.ts'
import type { ProbeTarget } from './target.ts'

/** So long a service has not failed to listen, it has only just begun: why it refuses is not looked into. */
const youngFor = 200

/** A connection is accepted at the service's own address: a server that listens on 127.0.0.1 only is not healthy. */
export async function probeTcp(target: ProbeTarget, port: number, signal: AbortSignal): Promise<Answer> {
  try {
    const socket = await target.connect(port, signal)
    socket.destroy()
    return { ok: true }
  } catch (error) {
    return { ok: false, answer: await whyNot(target, port, error) }
  }
}

/** A socket is bound: what a server answers to a packet that it did not ask for, nobody knows. */
export async function probeUdp(target: ProbeTarget, port: number): Promise<Answer> {
  const bound = await listenersOf(target.pid, 'udp')
  if (bound.some((one) => one.port === port && !one.loopback)) return { ok: true }
  return { ok: false, answer: describe(bound, port, 'not bound') }
}

/** Why a connection failed, in a few words; with what it listens on instead, where that can be seen. */
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

function describe(listeners: readonly Listener[], port: number, plain: string): string {
  if (listeners.some((one) => one.port === port && one.loopback)) {
    return `${plain}: it listens on 127.0.0.1 only; let it listen on 0.0.0.0`
  }
  const others = [...new Set(listeners.filter(({ loopback }) => !loopback).map((one) => one.port))]
  if (others.length === 0) return plain
  return `${plain}: it listens on ${others
    .sort((a, b) => a - b)
    .slice(0, 5)
    .join(', ')} instead`
}

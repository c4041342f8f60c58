import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { CheckAnswer, HttpCheck } from '../../lifecycle/index.ts'
import { whyNot } from './port.ts'
import type { ProbeTarget } from './target.ts'

/** Sends one GET. A redirect is an answer, and is not followed. */
export async function probeHttp(
  target: ProbeTarget,
  { port, path, status }: HttpCheck,
  signal: AbortSignal,
): Promise<CheckAnswer> {
  let socket: Awaited<ReturnType<ProbeTarget['connect']>>
  try {
    socket = await target.connect(port, signal)
  } catch (error) {
    return { ok: false, answer: await whyNot(target, port, error) }
  }
  try {
    // No `agent` option, not even `false`: with it Node would open a connection of its own.
    const sent = request({
      createConnection: () => socket,
      method: 'GET',
      path,
      headers: { host: `${target.address}:${port}`, 'user-agent': 'moorage', connection: 'close' },
      signal,
    })
    sent.end()
    const [answer] = (await once(sent, 'response', { signal })) as [IncomingMessage]
    const code = answer.statusCode ?? 0
    // The body does not matter, and may have no end.
    answer.destroy()
    const good = status === undefined ? code >= 200 && code < 400 : status.includes(code)
    return good ? { ok: true } : { ok: false, answer: `answered ${code}` }
  } catch (error) {
    return { ok: false, answer: `no HTTP answer: ${(error as Error).message}` }
  } finally {
    socket.destroy()
  }
}

import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { Answer, HttpCheck } from '../../lifecycle/index.ts'
import { whyNot } from './port.ts'
import type { ProbeTarget } from './target.ts'

/** One GET; redirects are an answer, and not followed. */
export async function probeHttp(
  target: ProbeTarget,
  { port, path, status }: HttpCheck,
  signal: AbortSignal,
): Promise<Answer> {
  let socket: Awaited<ReturnType<ProbeTarget['connect']>>
  try {
    socket = await target.connect(port, signal)
  } catch (error) {
    return { ok: false, answer: await whyNot(target, port, error) }
  }
  try {
    // No `agent`: with one, even with none, Node would open a connection of its own.
    const asked = request({
      createConnection: () => socket,
      method: 'GET',
      path,
      headers: { host: `${target.address}:${port}`, 'user-agent': 'moorage', connection: 'close' },
      signal,
    })
    asked.end()
    const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage]
    const code = answer.statusCode ?? 0
    // Its body is of no interest, and may have no end.
    answer.destroy()
    const good = status === undefined ? code >= 200 && code < 400 : status.includes(code)
    return good ? { ok: true } : { ok: false, answer: `answered ${code}` }
  } catch (error) {
    return { ok: false, answer: `no HTTP answer: ${(error as Error).message}` }
  } finally {
    socket.destroy()
  }
}

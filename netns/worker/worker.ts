/** The thread for kernel work that waits: creating and destroying. A process with networks has one. */
import { parentPort } from 'node:worker_threads'
import { leaveThread, NetnsError } from '../kernel/index.ts'
import { createMethods, type WorkerAnswer, type WorkerCall, type WorkerNews } from './methods.ts'

const port = parentPort
if (port === null) throw new Error('worker.ts is started by worker-thread.ts')

const methods = createMethods((network, event) => {
  const news: WorkerNews = { network, event }
  port.postMessage(news)
})

async function answer({ id, method, params }: WorkerCall): Promise<WorkerAnswer> {
  try {
    const run = methods[method] as (params: unknown) => Promise<unknown>
    return { id, value: await run(params) }
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    const { code, errno } = error instanceof NetnsError ? error : { code: 'KERNEL', errno: undefined }
    return { id, error: { code, message, errno, stack } }
  }
}

port.on('message', async (call: WorkerCall | 'end') => {
  if (call === 'end') {
    leaveThread()
    port.close()
  } else port.postMessage(await answer(call))
})

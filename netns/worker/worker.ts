/** The thread for kernel work that waits: creating and destroying. One a process, as long as it has networks. */
import { parentPort } from 'node:worker_threads'
import { leaveThread, NetnsError } from '../kernel/index.ts'
import { type Answer, type Call, createMethods, type Told } from './methods.ts'

const port = parentPort
if (port === null) throw new Error('worker.ts is started by worker-thread.ts')

const methods = createMethods((network, event) => {
  const told: Told = { network, event }
  port.postMessage(told)
})

async function answer({ id, method, params }: Call): Promise<Answer> {
  try {
    const run = methods[method] as (params: unknown) => Promise<unknown>
    return { id, value: await run(params) }
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    const known = error instanceof NetnsError
    return {
      id,
      error: { code: known ? error.code : 'KERNEL', message, errno: known ? error.errno : undefined, stack },
    }
  }
}

port.on('message', async (call: Call | 'end') => {
  if (call === 'end') {
    leaveThread()
    port.close()
  } else port.postMessage(await answer(call))
})

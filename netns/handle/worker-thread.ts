/** The main thread's side of the worker: started for its first holder, ended after the last. */
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { NetnsError, type NetnsErrorCode } from '../kernel/index.ts'
import type { MethodName, Methods, RemoteError, WorkerAnswer, WorkerNews } from '../worker/methods.ts'
import type { NetworkEvent } from '../worker/problems.ts'

export interface WorkerThread {
  call<Name extends MethodName>(method: Name, params: Parameters<Methods[Name]>[0]): ReturnType<Methods[Name]>
  /** Listens to a network, by its number, until the returned function is called. */
  listen(network: number, listener: (event: NetworkEvent) => void): () => void
  /** Must be called once by each holder; after the last the process can exit. */
  release(): Promise<void>
}

interface Pending {
  resolve: (value: unknown) => void
  reject: (error: Error) => void
}

interface Thread {
  worker: Worker
  pending: Map<number, Pending>
  listeners: Map<number, (event: NetworkEvent) => void>
  holders: number
  calls: number
  lost: NetnsError | undefined
}

let current: Thread | undefined

function start(): Thread {
  // The sources run unbuilt, and the build does not rewrite the name of a file in a string.
  const file = join(import.meta.dirname, `../worker/worker${extname(import.meta.filename)}`)
  // Descriptors made there are used, and some closed, here. It need not load what a test runner loads into this thread.
  const worker = new Worker(file, {
    name: 'netns',
    trackUnmanagedFds: false,
    execArgv: process.execArgv.filter((argument) => argument.startsWith('--disable-warning')),
  })
  const thread: Thread = {
    worker,
    pending: new Map(),
    listeners: new Map(),
    holders: 0,
    calls: 0,
    lost: undefined,
  }
  worker.on('message', (message: WorkerAnswer | WorkerNews) => {
    if ('event' in message) return thread.listeners.get(message.network)?.(message.event)
    const call = thread.pending.get(message.id)
    thread.pending.delete(message.id)
    if ('error' in message) call?.reject(errorFrom(message.error))
    else call?.resolve(message.value)
  })
  const lose = (cause?: unknown) => {
    thread.lost ??= new NetnsError(
      'WORKER_FAILED',
      `the network thread ended: ${cause ?? 'nobody knows why'}`,
      { cause },
    )
    if (current === thread) current = undefined
    for (const { reject } of thread.pending.values()) reject(thread.lost)
    thread.pending.clear()
  }
  worker.on('error', lose)
  worker.on('exit', () => lose())
  return thread
}

function errorFrom({ code, message, errno, stack }: RemoteError): NetnsError {
  const cause = new Error(message)
  if (stack !== undefined) cause.stack = stack
  return new NetnsError(code as NetnsErrorCode, message, { cause, ...(errno === undefined ? {} : { errno }) })
}

export function holdWorker(): WorkerThread {
  current ??= start()
  const thread = current
  thread.holders += 1
  return {
    call(method, params) {
      const answer = new Promise<unknown>((resolve, reject) => {
        if (thread.lost !== undefined) return reject(thread.lost)
        const id = thread.calls++
        thread.pending.set(id, { resolve, reject })
        thread.worker.postMessage({ id, method, params })
      })
      return answer as ReturnType<Methods[typeof method]>
    },
    listen(network, listener) {
      thread.listeners.set(network, listener)
      return () => thread.listeners.delete(network)
    },
    async release() {
      thread.holders -= 1
      if (thread.holders > 0 || thread.lost !== undefined) return
      if (current === thread) current = undefined
      const ended = once(thread.worker, 'exit')
      thread.worker.postMessage('end')
      await ended
    },
  }
}

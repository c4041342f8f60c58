import { once } from 'node:events'
import { extname, join } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { DnsServerOptions } from '../../dns/index.ts'
import { NetnsError } from '../../netns/index.ts'
import type { DnsChange } from './dns-change.ts'

/** What the thread answers: queries for a zone, sent to a network's gateway. */
export interface AnswerOptions {
  readonly zone: string
  readonly reverse: readonly string[]
  readonly upstreams: NonNullable<DnsServerOptions['upstreams']>
  /** The path of the network's namespace. */
  readonly namespace: string
  readonly gateway: string
}

/** Opens a network's DNS server in the thread, with a port of the network's own. */
export interface OpenMessage extends AnswerOptions {
  readonly port: MessagePort
  /** How many messages have been posted to the port. */
  readonly posted: Int32Array
}

export type ToDnsThread = readonly DnsChange[] | 'close'
export type FromDnsThread =
  | { type: 'ready' | 'closed' }
  | { type: 'failed'; message: string; errno: string | undefined; stack: string | undefined }

/** The DNS server of one network, in the thread. */
export interface ThreadDns {
  /** Makes changes: queries that come after this has returned see them. */
  change(changes: readonly DnsChange[]): void
  /** Resolves when its sockets are closed. */
  close(): Promise<void>
}

/** The thread of this process: started for its first holder, ended after the last. */
let current: { worker: Worker; holders: number } | undefined

/**
 * Answers DNS queries in a thread of its own: this one may be busy for some ten milliseconds at a time while containers
 * start, and a query would wait for that.
 */
export function holdDnsThread(): DnsThread {
  current ??= { worker: startWorker(), holders: 0 }
  return new DnsThread(current)
}

export class DnsThread implements AsyncDisposable {
  readonly #thread: NonNullable<typeof current>

  constructor(thread: NonNullable<typeof current>) {
    this.#thread = thread
    thread.holders += 1
  }

  /** @throws NetnsError `KERNEL` */
  async answer(options: AnswerOptions): Promise<ThreadDns> {
    const { port1: ours, port2: port } = new MessageChannel()
    const posted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    const message: OpenMessage = { ...options, port, posted }
    this.#thread.worker.postMessage(message, [port])
    const [reply] = (await once(ours, 'message')) as [FromDnsThread]
    if (reply.type === 'failed') {
      ours.close()
      throw failure(reply)
    }
    const post = (request: ToDnsThread) => {
      // In this order: a reader that sees the number finds the message.
      ours.postMessage(request)
      Atomics.add(posted, 0, 1)
    }
    return {
      change: post,
      async close() {
        const closed = once(ours, 'message')
        post('close')
        await closed
      },
    }
  }

  /** Must be called once. */
  async [Symbol.asyncDispose](): Promise<void> {
    const thread = this.#thread
    thread.holders -= 1
    if (thread.holders > 0) return
    if (current === thread) current = undefined
    const ended = once(thread.worker, 'exit')
    thread.worker.postMessage('end')
    await ended
  }
}

function failure({ message, errno, stack }: Extract<FromDnsThread, { type: 'failed' }>): NetnsError {
  const cause = new Error(message)
  if (stack !== undefined) cause.stack = stack
  return new NetnsError('KERNEL', message, { cause, ...(errno === undefined ? {} : { errno }) })
}

function startWorker(): Worker {
  // The sources run unbuilt, and the build does not rewrite the name of a file in a string.
  const file = join(import.meta.dirname, `dns-worker${extname(import.meta.filename)}`)
  return new Worker(file, {
    name: 'dns',
    trackUnmanagedFds: false,
    // It need not load what a test runner loads into this thread.
    execArgv: process.execArgv.filter((argument) => argument.startsWith('--disable-warning')),
  })
}

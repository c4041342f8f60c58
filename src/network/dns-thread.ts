import { once } from 'node:events'
import { extname, join } from 'node:path'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { DnsServerOptions } from '../../dns/index.ts'
import { NetnsError } from '../../netns/index.ts'
import type { DnsChange } from './dns-change.ts'

/** What the thread is to answer for: a zone, to those who ask a network's gateway. */
export interface Answered {
  readonly zone: string
  readonly reverse: readonly string[]
  readonly upstreams: NonNullable<DnsServerOptions['upstreams']>
  /** The path of the network's namespace. */
  readonly namespace: string
  readonly gateway: string
}

/** Handed to the thread with a port of the network's own. */
export interface Opening extends Answered {
  readonly port: MessagePort
  /** How many messages have been posted to the port. */
  readonly posted: Int32Array
}

export type ToDnsThread = readonly DnsChange[] | 'close'
export type FromDnsThread =
  | { type: 'ready' | 'closed' }
  | { type: 'failed'; message: string; errno: string | undefined; stack: string | undefined }

/** The DNS server of one network, in the thread. */
export interface AnsweringThread {
  /** What an answer knows that is given to a query which comes after this has returned. */
  change(changes: readonly DnsChange[]): void
  /** Ends when its sockets are closed. */
  close(): Promise<void>
}

/** The thread of this process: started for the first who holds it, ended after the last. */
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
  async answer(answered: Answered): Promise<AnsweringThread> {
    const { port1: ours, port2: port } = new MessageChannel()
    const posted = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
    const opening: Opening = { ...answered, port, posted }
    this.#thread.worker.postMessage(opening, [port])
    const [message] = (await once(ours, 'message')) as [FromDnsThread]
    if (message.type === 'failed') {
      ours.close()
      throw failure(message)
    }
    const post = (message: ToDnsThread) => {
      // In this order: whoever sees the number finds the message.
      ours.postMessage(message)
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

  /** Called once. */
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
    // What a test runner loads into this thread it need not have.
    execArgv: process.execArgv.filter((argument) => argument.startsWith('--disable-warning')),
  })
}

import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FromMatcher, ToMatcher } from './matcher-thread.ts'

/** Looks for lines that match a pattern. */
export interface Matcher extends Disposable {
  /** Tells whether one of the lines matches; `too slow` if the pattern exceeds its time limit on one of them. */
  match(lines: readonly string[]): Promise<boolean | 'too slow'>
}

/** The thread that all patterns share; it ends with the last of them. */
interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, (found: FromMatcher['found']) => void>
  users: number
}

let thread: Thread | undefined
let messages = 0

/**
 * Matches in a thread of its own and with a time limit, since some patterns take years on some lines: neither the
 * daemon nor its DNS must wait for that.
 */
export function openMatcher(pattern: string, flags: string): Matcher {
  thread ??= startThread()
  const used = thread
  used.users += 1
  let closed = false
  return {
    match(lines) {
      const { promise, resolve } = Promise.withResolvers<FromMatcher['found']>()
      messages += 1
      used.waiting.set(messages, resolve)
      const message: ToMatcher = { id: messages, pattern, flags, lines }
      used.worker.postMessage(message)
      return promise
    },
    [Symbol.dispose]() {
      if (closed) return
      closed = true
      used.users -= 1
      if (used.users > 0) return
      if (thread === used) thread = undefined
      void used.worker.terminate()
    },
  }
}

function startThread(): Thread {
  const program = join(import.meta.dirname, `matcher-thread${extname(import.meta.filename)}`)
  const worker = new Worker(program, { stdin: false, stdout: false })
  // The containers whose logs are matched keep the process alive.
  worker.unref()
  const started: Thread = { worker, waiting: new Map(), users: 0 }
  worker.on('message', ({ id, found }: FromMatcher) => {
    started.waiting.get(id)?.(found)
    started.waiting.delete(id)
  })
  const over = () => {
    if (thread === started) thread = undefined
    for (const resolve of started.waiting.values()) resolve(false)
    started.waiting.clear()
  }
  worker.on('error', over)
  worker.on('exit', over)
  return started
}

import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { FromMatcher, ToMatcher } from './matcher-thread.ts'

/** Looks for lines that match a pattern. */
export interface Matcher extends Disposable {
  /** Whether one of these lines does; `too slow`: the pattern takes more than its time on one of them. */
  match(lines: readonly string[]): Promise<boolean | 'too slow'>
}

/** The thread that all patterns share, while there are any. */
interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, (found: FromMatcher['found']) => void>
  users: number
}

let thread: Thread | undefined
let asked = 0

/**
 * Matches in a thread of its own and with a time limit, since some patterns take years on some lines: neither the
 * daemon nor its DNS waits for that.
 */
export function openMatcher(pattern: string, flags: string): Matcher {
  thread ??= startThread()
  const mine = thread
  mine.users += 1
  let closed = false
  return {
    match(lines) {
      const { promise, resolve } = Promise.withResolvers<FromMatcher['found']>()
      asked += 1
      mine.waiting.set(asked, resolve)
      const message: ToMatcher = { id: asked, pattern, flags, lines }
      mine.worker.postMessage(message)
      return promise
    },
    [Symbol.dispose]() {
      if (closed) return
      closed = true
      mine.users -= 1
      if (mine.users > 0) return
      if (thread === mine) thread = undefined
      void mine.worker.terminate()
    },
  }
}

function startThread(): Thread {
  const program = join(import.meta.dirname, `matcher-thread${extname(import.meta.filename)}`)
  const worker = new Worker(program, { stdin: false, stdout: false })
  // Whoever waits for a match has a container that keeps the process.
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

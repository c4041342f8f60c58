/** The thread of matcher.ts. The timeout of node:vm interrupts V8 even within a regular expression. */
import { createContext, Script } from 'node:vm'
import { parentPort } from 'node:worker_threads'

export interface ToMatcher {
  id: number
  pattern: string
  flags: string
  lines: readonly string[]
}

export interface FromMatcher {
  id: number
  found: boolean | 'too slow'
}

/**
 * Limit for one message, in milliseconds: its lines are 8 KiB each at most, and most patterns take microseconds.
 */
const patience = 250

const sandbox = createContext(Object.create(null) as { pattern?: RegExp; lines?: readonly string[] })
const script = new Script('lines.some((line) => { pattern.lastIndex = 0; return pattern.test(line) })')

function match({ pattern, flags, lines }: ToMatcher): boolean | 'too slow' {
  sandbox.pattern = new RegExp(pattern, flags)
  sandbox.lines = lines
  try {
    return script.runInContext(sandbox, { timeout: patience }) as boolean
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return 'too slow'
    throw error
  }
}

parentPort?.on('message', (message: ToMatcher) => {
  const answer: FromMatcher = { id: message.id, found: match(message) }
  parentPort?.postMessage(answer)
})

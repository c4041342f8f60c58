import { signalName } from '../../../definition/signals.ts'
import type { EndedChild } from '../../../kernel/index.ts'
import type { ContainerExit } from '../../runtime.ts'

/** waitid(2): the process exited by itself; the other codes mean a signal. */
const CLD_EXITED = 1

/** Returns the exit code and the signal of a process that has ended. */
export function exitOf({ code, status }: EndedChild): ContainerExit {
  if (code === CLD_EXITED) return { code: status, signal: null }
  return { code: 128 + status, signal: signalName(status) ?? null }
}

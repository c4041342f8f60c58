/** Children of this process that Node did not start. */
import { prctl, waitid } from './libc.ts'

const PR_SET_CHILD_SUBREAPER = 36

/** Makes this process adopt its orphaned descendants (prctl(2), PR_SET_CHILD_SUBREAPER). */
export function setChildSubreaper(): void {
  prctl(PR_SET_CHILD_SUBREAPER, 1, 'adopt orphans')
}

const P_ALL = 0
const P_PID = 1
const WNOHANG = 0x1
const WEXITED = 0x4
const WNOWAIT = 0x1000000

/** The end of a child, in the words of waitid(2): `code` is CLD_EXITED, CLD_KILLED or CLD_DUMPED. */
export interface EndedChild {
  pid: number
  code: number
  status: number
}

/**
 * Looks for a child that has ended; never waits. Undefined where there is none.
 *
 * @param pid - the one to look for; it is reaped, and so gone afterwards. Without it any child counts, which stays as
 *   it is
 */
export function endedChild(pid?: number): EndedChild | undefined {
  // siginfo_t of x86-64 and arm64: code at 8, then from 16 on pid, uid, status.
  const info = new Int32Array(32)
  const bytes = new Uint8Array(info.buffer)
  const options = WEXITED | WNOHANG | (pid === undefined ? WNOWAIT : 0)
  const hasChildren = waitid(pid === undefined ? P_ALL : P_PID, pid ?? 0, bytes, options)
  if (!hasChildren || info[4] === 0) return undefined
  return { pid: info[4] as number, code: info[2] as number, status: info[6] as number }
}

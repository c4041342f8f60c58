import { readdirSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { readIfThere } from '../read-if-there.ts'
import { sendSignal } from './signals.ts'

/** Polling interval, in milliseconds: the kernel announces a process's end to its parent only. */
const pollInterval = 2

/** Tells whether a process runs. A zombie, which has ended and waits for its parent's waitid(2), does not. */
export function isAlive(pid: number): boolean {
  const [state] = statFields(pid)
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Returns the session of a process (setsid(2)); undefined if the process is not there. */
export function sessionOf(pid: number): number | undefined {
  const session = statFields(pid)[3]
  return session === undefined ? undefined : Number(session)
}

/** Returns /proc/PID/stat from the state on; nothing if the process is not there. */
function statFields(pid: number): string[] {
  const stat = readIfThere(`/proc/${pid}/stat`)
  // proc(5): the name in brackets may hold anything; state, parent, process group and session come after it.
  return stat === '' ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** Lists the arguments of all processes that this one sees. */
export function* commandLines(): Generator<{ pid: number; args: string[] }> {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const text = readIfThere(`/proc/${name}/cmdline`)
    if (text !== '') yield { pid: Number(name), args: text.split('\0') }
  }
}

/**
 * Kills processes until `find` finds none; returns those killed.
 *
 * @throws when some do not end within `timeout` milliseconds
 */
export async function killAll(find: () => number[], { timeout = 10_000 } = {}): Promise<number[]> {
  const killed = new Set<number>()
  const deadline = Date.now() + timeout
  for (let pids = find(); pids.length > 0; pids = find()) {
    if (Date.now() > deadline) throw new Error(`these processes do not end: ${pids.join(', ')}`)
    for (const pid of pids) {
      killed.add(pid)
      sendSignal(pid, constants.signals.SIGKILL)
    }
    await delay(pollInterval)
  }
  return [...killed]
}

import { readdirSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** The kernel tells nobody but the parent of a process's end: others must look. */
const lookAgainAfter = 2

/** Whether a process runs. One that has ended and that its parent has not asked about (a zombie) does not. */
export function isAlive(pid: number): boolean {
  const stat = readOrNothing(`/proc/${pid}/stat`)
  // proc(5): the name in brackets may hold anything; the state comes after it.
  const state = stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return state !== '' && state !== 'Z' && state !== 'X'
}

/** The arguments of all processes that this one sees. */
export function* commandLines(): Generator<{ pid: number; args: string[] }> {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const text = readOrNothing(`/proc/${name}/cmdline`)
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
  for (let found = find(); found.length > 0; found = find()) {
    if (Date.now() > deadline) throw new Error(`these processes do not end: ${found.join(', ')}`)
    for (const pid of found) {
      killed.add(pid)
      sendSignal(pid, constants.signals.SIGKILL)
    }
    await delay(lookAgainAfter)
  }
  return [...killed]
}

/** Sends a signal to a process, if it is there. */
export function sendSignal(pid: number, number: number): void {
  try {
    process.kill(pid, number)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** What is in a file, of procfs or another; nothing if it is not there. */
export function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // ESRCH: it went between the open and the read.
    if (code === 'ENOENT' || code === 'ESRCH') return ''
    throw error
  }
}

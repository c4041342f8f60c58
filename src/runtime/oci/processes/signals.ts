import { constants } from 'node:os'

/** Sends a signal to a process, if it is there. */
export function sendSignal(pid: number, number: number): void {
  try {
    process.kill(pid, number)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Returns the name of a signal: `SIGTERM`; null for a number that is no signal. */
export function signalName(number: number): string | null {
  const [name = null] = Object.entries(constants.signals).find(([, value]) => value === number) ?? []
  return name
}

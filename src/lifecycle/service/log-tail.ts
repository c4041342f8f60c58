import type { Clock } from '../clock.ts'
import type { ServiceProcess } from '../driver.ts'

/** The longest wait for the log, in milliseconds: somebody waits for the error that it goes into. */
const patience = 1_000

/** Reads a service's last log lines, or says why there are none. */
export async function logTail(running: ServiceProcess, clock: Clock): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  using _timer = clock.setTimeout(() => resolve('(its log could not be read in time)'), patience)
  const read = async () => resolve(await running.tail())
  read().catch((error) => resolve(`(its log could not be read: ${String(error)})`))
  return await promise
}

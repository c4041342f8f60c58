import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Milliseconds that one input may take. As other programs run on this machine, a slow input is tried again. */
const mostTime = 50

/** Collects the inputs that took too long three times. */
export function createStopwatch() {
  const slow: string[] = []
  return {
    slow,
    time(input: Buffer, work: () => void): void {
      for (let attempt = 0; attempt < 3; attempt++) {
        const begin = performance.now()
        work()
        if (performance.now() - begin < mostTime) return
      }
      slow.push(input.toString('hex'))
    },
  }
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Octets of objects and buffers that are left after a full collection. */
export function memoryHeld(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

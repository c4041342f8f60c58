import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** What one input may take. Others run on this machine too, so what took longer is asked again. */
const mostTime = 50

/** The inputs that took too long, each three times over. */
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

/** Octets that are held after a thorough collection: objects and buffers. */
export function memoryHeld(): number {
  collectGarbage()
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

import { existsSync, rmSync } from 'node:fs'

/** How long what uses a directory may take to let go of it, in milliseconds. */
const patience = 10_000

/**
 * Removes a directory with all that is in it. Node's `rmSync` gives up, and says nothing, when something in it is
 * removed by somebody else at the same time, and fails when something is added: by processes of a test that end just
 * then. What cannot be removed is an error here, where it says what is in the way.
 */
export function removeTree(path: string): void {
  const end = performance.now() + patience
  for (;;) {
    let reason: unknown
    try {
      rmSync(path, { recursive: true, force: true })
    } catch (error) {
      reason = error
    }
    if (!existsSync(path)) return
    if (performance.now() > end) throw reason ?? new Error(`${path} is still there after ${patience} ms`)
    // There is no way to wait for others: `using` and what runs at the exit of a process are synchronous.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
  }
}

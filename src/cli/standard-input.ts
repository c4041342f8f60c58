import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'

/**
 * Returns this process's standard input, for `-i`. When it is destroyed its descriptor is closed, too, which libuv spares
 * below 3: only then does whoever writes to it get SIGPIPE.
 */
export function standardInput(): Readable {
  return process.stdin.once('close', () => {
    closeSync(0)
    // The lowest number that is free: so nothing else becomes the standard input of this process.
    openSync('/dev/null', 'r')
  })
}

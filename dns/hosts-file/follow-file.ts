import { readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'

export interface FollowOptions {
  clock?: Clock
  /** It could not be read, though it is there. What was read before still counts. */
  failed?: (error: Error) => void
}

/** Whoever changes a file may need several steps: truncate, then write; delete, then make again. */
const settleTime = 50
/** Where the kernel tells nothing: behind a symbolic link, on a network filesystem, in a directory that was replaced. */
const lookInterval = 1000

/**
 * Hands over what a file says, whenever that has changed and come to rest: written in place, renamed over, deleted
 * (`undefined`) or made again. The first time is before this returns.
 */
export function followFile(
  path: string,
  changed: (text: string | undefined) => void,
  { clock = systemClock, failed = () => undefined }: FollowOptions = {},
): Disposable {
  let seen = signature(path)
  let told: string | undefined
  let over = false
  let settling: Disposable | undefined
  let looking: Disposable | undefined

  const read = () => {
    if (seen === told) return
    try {
      const text = seen === missing ? undefined : readFileSync(path, 'utf8')
      told = seen
      changed(text)
    } catch (error) {
      told = seen
      failed(error as Error)
    }
  }
  const look = () => {
    const now = signature(path)
    if (over || now === seen) return
    seen = now
    settling?.[Symbol.dispose]()
    settling = clock.setTimeout(settle, settleTime)
  }
  const settle = () => {
    settling = undefined
    const before = seen
    look()
    if (seen === before) read()
  }
  const lookAgain = () => {
    look()
    looking = clock.setTimeout(lookAgain, lookInterval)
  }
  const watcher = watchDirectory(path, look)
  looking = clock.setTimeout(lookAgain, lookInterval)
  read()
  return {
    [Symbol.dispose]() {
      over = true
      settling?.[Symbol.dispose]()
      looking?.[Symbol.dispose]()
      watcher?.[Symbol.dispose]()
    },
  }
}

const missing = 'missing'

/** Tells two states of a file apart: another inode, or another time. */
function signature(path: string): string {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
  } catch {
    return missing
  }
}

/** The directory rather than the file: a watch on a file follows the inode, and misses what takes its place. */
function watchDirectory(path: string, look: () => void): Disposable | undefined {
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(path)) look()
    })
    // The directory is gone, or watches are used up: looking now and then is enough.
    watcher.on('error', () => watcher.close())
    return { [Symbol.dispose]: () => watcher.close() }
  } catch {
    return undefined
  }
}

import { readFileSync, statSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'

export interface FollowOptions {
  clock?: Clock
  /** Called if the file is there and cannot be read. The text that was read before still counts. */
  failed?: (error: Error) => void
  /**
   * Tells whether a text (`undefined` for a missing file) looks whole. One that does not has to rest for longer before
   * it counts: somebody may be writing it. @defaultValue every text is whole
   */
  isWhole?: (text: string | undefined) => boolean
}

/** Milliseconds without a change until a file is read: a program may truncate it, then write it. */
const settleTime = 50
/** The same for a file that does not look whole. */
const unfinishedSettleTime = 1500
/**
 * Polling interval, in milliseconds, for files of which the kernel reports nothing: behind a symbolic link, on a
 * network filesystem, in a directory that was replaced.
 */
const pollInterval = 1000

/**
 * Calls `changed` with the text of a file whenever the file has changed and come to rest: written in place, renamed
 * over, deleted (`undefined`) or created again. The first call is made before this function returns.
 */
export function followFile(
  path: string,
  changed: (text: string | undefined) => void,
  { clock = systemClock, failed = () => undefined, isWhole = () => true }: FollowOptions = {},
): Disposable {
  /** The latest state of the file, and the state whose text was handed over. */
  let latest = signature(path)
  let handedOver: string | undefined
  let disposed = false
  let settling: Disposable | undefined
  let polling: Disposable | undefined

  /** @param rested the milliseconds for which the file has not changed */
  const read = (rested: number) => {
    if (latest === handedOver) return
    try {
      const text = latest === missing ? undefined : readFileSync(path, 'utf8')
      const wait = isWhole(text) ? 0 : unfinishedSettleTime - rested
      if (wait > 0) {
        settling = clock.setTimeout(() => settle(unfinishedSettleTime), wait)
        return
      }
      handedOver = latest
      changed(text)
    } catch (error) {
      handedOver = latest
      failed(error as Error)
    }
  }
  const check = () => {
    const current = signature(path)
    if (disposed || current === latest) return
    latest = current
    settling?.[Symbol.dispose]()
    settling = clock.setTimeout(() => settle(settleTime), settleTime)
  }
  const settle = (rested: number) => {
    settling = undefined
    const before = latest
    check()
    if (latest === before) read(rested)
  }
  const poll = () => {
    check()
    polling = clock.setTimeout(poll, pollInterval)
  }
  const watcher = watchDirectory(path, check)
  polling = clock.setTimeout(poll, pollInterval)
  read(Number.POSITIVE_INFINITY)
  return {
    [Symbol.dispose]() {
      disposed = true
      settling?.[Symbol.dispose]()
      polling?.[Symbol.dispose]()
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

/**
 * Watches the directory rather than the file: a watch on a file follows the inode, and misses the file that replaces
 * it.
 */
function watchDirectory(path: string, check: () => void): Disposable | undefined {
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
      if (name === null || name === basename(path)) check()
    })
    // The directory is gone, or there are no watches left: polling is enough.
    watcher.on('error', () => watcher.close())
    return { [Symbol.dispose]: () => watcher.close() }
  } catch {
    return undefined
  }
}

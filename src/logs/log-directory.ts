import { closeSync, constants, type FSWatcher, fstatSync, openSync, watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { segmentOffset } from './frame.ts'

/** How often it is looked for news where the kernel has no watches to give (/proc/sys/fs/inotify), in milliseconds. */
const lookEvery = 100

/**
 * A log's directory as all of its readers in this process share it: one descriptor, which follows the directory when it
 * is moved, and one watcher, however many there are.
 */
export interface SharedLog extends Disposable {
  /** Of its directory, wherever that is. */
  readonly path: string
  /** The offsets of its segments, in order. */
  segments(): Promise<number[]>
  /** Tells of changes, as long as it is not disposed of. */
  watch(): Changes
}

/** One reader's view of what changes. */
export interface Changes extends Disposable {
  /** How many there were, and calls of `wake`. */
  count(): number
  /** Resolves when there was one more than `seen`. */
  after(seen: number): Promise<void>
  wake(): void
}

interface Entry {
  readonly fd: number
  readonly key: string
  readers: number
  watcher: FSWatcher | NodeJS.Timeout | undefined
  /** Of those who watch. */
  readonly wakes: Set<() => void>
}

const entries = new Map<string, Entry>()

/** @throws the error of open(2), when there is no such directory */
export function openSharedLog(directory: string): SharedLog {
  const entry = entryOf(directory)
  entry.readers += 1
  const path = `/proc/self/fd/${entry.fd}`
  let open = true
  return {
    path,
    async segments() {
      return (await readdir(path)).flatMap((name) => segmentOffset(name) ?? []).sort((a, b) => a - b)
    },
    watch: () => watchEntry(entry),
    [Symbol.dispose]() {
      if (!open) return
      open = false
      entry.readers -= 1
      if (entry.readers > 0) return
      entries.delete(entry.key)
      closeSync(entry.fd)
    },
  }
}

function entryOf(directory: string): Entry {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  const { dev, ino } = fstatSync(fd)
  const key = `${dev}:${ino}`
  const known = entries.get(key)
  if (known) {
    closeSync(fd)
    return known
  }
  const entry: Entry = { fd, key, readers: 0, watcher: undefined, wakes: new Set() }
  entries.set(key, entry)
  return entry
}

function watchEntry(entry: Entry): Changes {
  let changes = 0
  let changed: (() => void) | undefined
  const wake = () => {
    changes += 1
    changed?.()
    changed = undefined
  }
  entry.wakes.add(wake)
  entry.watcher ??= startWatcher(entry)
  return {
    count: () => changes,
    async after(seen) {
      if (changes > seen) return
      await new Promise<void>((resolve) => {
        changed = resolve
      })
    },
    wake,
    [Symbol.dispose]() {
      entry.wakes.delete(wake)
      if (entry.wakes.size > 0) return
      stopWatcher(entry.watcher)
      entry.watcher = undefined
    },
  }
}

function startWatcher(entry: Entry): FSWatcher | NodeJS.Timeout {
  const wakeAll = () => {
    for (const wake of entry.wakes) wake()
  }
  const look = () => setInterval(wakeAll, lookEvery).unref()
  try {
    const watcher = watch(`/proc/self/fd/${entry.fd}`, { persistent: false }, wakeAll)
    watcher.on('error', () => {
      if (entry.watcher !== watcher) return
      watcher.close()
      entry.watcher = look()
      wakeAll()
    })
    return watcher
  } catch (error) {
    // inotify(7): the user's watches or instances are used up, by whomever.
    if (!['ENOSPC', 'EMFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return look()
  }
}

function stopWatcher(watcher: FSWatcher | NodeJS.Timeout | undefined): void {
  if (watcher === undefined) return
  if ('hasRef' in watcher) clearInterval(watcher)
  else watcher.close()
}

import { closeSync, constants, type FSWatcher, fstatSync, openSync, watch } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { segmentOffset } from './segment-name.ts'

/** Polling interval in milliseconds when the kernel has no more inotify watches (/proc/sys/fs/inotify). */
const pollInterval = 100

/**
 * A log's directory. All of its readers in this process share one descriptor, which follows the directory when it is
 * moved, and one watcher.
 */
export interface LogDirectory extends Disposable {
  /** A path of the directory that stays valid when it is moved. */
  readonly path: string
  /** The offsets of the log's segments, in order. */
  segments(): Promise<number[]>
  /** Counts changes until the watch is disposed of. */
  watch(): ChangeWatch
}

/** One reader's count of changes in a log's directory. */
export interface ChangeWatch extends Disposable {
  /** The number of changes so far, calls of `wake` included. */
  count(): number
  /** Resolves when the count is higher than `seen`. */
  after(seen: number): Promise<void>
  /** Counts a change of its own, which ends a wait. */
  wake(): void
}

/** State that the readers of one directory share. */
interface SharedDirectory {
  readonly fd: number
  readonly key: string
  readers: number
  watcher: FSWatcher | NodeJS.Timeout | undefined
  /** `wake` of each watch. */
  readonly wakes: Set<() => void>
}

/** Open directories by their device and inode. */
const openDirectories = new Map<string, SharedDirectory>()

/** @throws NodeJS.ErrnoException of open(2), when there is no such directory */
export function openLogDirectory(directory: string): LogDirectory {
  const shared = shareDirectory(directory)
  shared.readers += 1
  const path = `/proc/self/fd/${shared.fd}`
  let open = true
  return {
    path,
    async segments() {
      return (await readdir(path)).flatMap((name) => segmentOffset(name) ?? []).sort((a, b) => a - b)
    },
    watch: () => watchDirectory(shared),
    [Symbol.dispose]() {
      if (!open) return
      open = false
      shared.readers -= 1
      if (shared.readers > 0) return
      openDirectories.delete(shared.key)
      closeSync(shared.fd)
    },
  }
}

function shareDirectory(directory: string): SharedDirectory {
  const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  const { dev, ino } = fstatSync(fd)
  const key = `${dev}:${ino}`
  const existing = openDirectories.get(key)
  if (existing) {
    closeSync(fd)
    return existing
  }
  const shared: SharedDirectory = { fd, key, readers: 0, watcher: undefined, wakes: new Set() }
  openDirectories.set(key, shared)
  return shared
}

function watchDirectory(shared: SharedDirectory): ChangeWatch {
  let changes = 0
  let changed: (() => void) | undefined
  const wake = () => {
    changes += 1
    changed?.()
    changed = undefined
  }
  shared.wakes.add(wake)
  shared.watcher ??= startWatcher(shared)
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
      shared.wakes.delete(wake)
      if (shared.wakes.size > 0) return
      stopWatcher(shared.watcher)
      shared.watcher = undefined
    },
  }
}

function startWatcher(shared: SharedDirectory): FSWatcher | NodeJS.Timeout {
  const wakeAll = () => {
    for (const wake of shared.wakes) wake()
  }
  const poll = () => setInterval(wakeAll, pollInterval).unref()
  try {
    const watcher = watch(`/proc/self/fd/${shared.fd}`, { persistent: false }, wakeAll)
    watcher.on('error', () => {
      if (shared.watcher !== watcher) return
      watcher.close()
      shared.watcher = poll()
      wakeAll()
    })
    return watcher
  } catch (error) {
    // inotify(7): all watches or instances of this user are taken, perhaps by other programs.
    if (!['ENOSPC', 'EMFILE'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return poll()
  }
}

function stopWatcher(watcher: FSWatcher | NodeJS.Timeout | undefined): void {
  if (watcher === undefined) return
  if ('hasRef' in watcher) clearInterval(watcher)
  else watcher.close()
}

/**
 * Runs functions inside another network namespace. Only the calling thread moves, and it is back before anything else
 * can run on it: that is why `fn` must be synchronous.
 */
import { closeSync, openSync, stat } from 'node:fs'
import { NetnsError } from './errors.ts'
import { CLONE_NEWNET, setns, unshare } from './libc.ts'

/** The calling thread's own namespace; /proc/self would be the main thread's. */
const own = '/proc/thread-self/ns/net'

let home: number | undefined
let away = false

function leaveHome(): number {
  if (home === undefined) {
    home = openSync(own, 'r')
    // libuv makes all threads of its pool at the first work it is given, in the namespace of the thread that gives it.
    // If that thread were inside, they would live there for ever, and dns.lookup with them.
    stat('/', () => {})
  }
  if (away) throw new NetnsError('KERNEL', 'inNamespace was called from inside another namespace')
  return home
}

/** A process that goes on in the wrong namespace would put sockets and links into somebody else's network. */
function goHome(to: number): void {
  try {
    setns(to, 'return to the own network namespace')
  } catch (error) {
    console.error(error)
    process.abort()
  }
  away = false
}

function refuseAsync<T>(value: T): T {
  if (value instanceof Promise) throw new TypeError('what runs inside a namespace must be synchronous')
  return value
}

/**
 * Runs `fn` with the calling thread inside the network namespace `fd`, and returns home. Sockets made and processes
 * spawned by `fn` stay there for life. Costs 4 µs.
 *
 * @param fn - synchronous; it must not start asynchronous file or DNS work
 * @throws NetnsError `KERNEL` when the namespace cannot be entered. When it cannot be left, the process aborts.
 */
export function inNamespace<T>(fd: number, fn: () => T): T {
  const back = leaveHome()
  setns(fd, 'enter a network namespace')
  away = true
  try {
    return refuseAsync(fn())
  } finally {
    goHome(back)
  }
}

/**
 * Makes a network namespace, runs `fn` inside it, and returns home. It lives as long as a descriptor, a mount or a
 * process holds it; when `fn` throws nothing does.
 */
export function createNamespace<T>(fn: () => T): { fd: number; value: T } {
  const back = leaveHome()
  unshare(CLONE_NEWNET, 'make a network namespace')
  away = true
  try {
    const fd = openSync(own, 'r')
    try {
      return { fd, value: refuseAsync(fn()) }
    } catch (error) {
      closeSync(fd)
      throw error
    }
  } finally {
    goHome(back)
  }
}

/** Closes what this thread keeps open to find home; for a thread that ends while its process goes on. */
export function leaveThread(): void {
  if (home !== undefined) closeSync(home)
  home = undefined
}

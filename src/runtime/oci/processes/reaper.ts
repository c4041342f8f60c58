import { type EndedChild, endedChild, setChildSubreaper } from '../../../kernel/index.ts'
import { sessionOf } from './processes.ts'

/** The longest interval of Node's timers, in milliseconds. */
const longestInterval = 2 ** 31 - 1

/** Patience with libuv, in milliseconds: it waits for a child of its own in the next turn of the loop. */
const libuvPatience = 500

/**
 * Waits for processes that this one adopted: a detached OCI runtime leaves its container to the nearest ancestor that
 * adopts orphans, and with it the processes that it took to get there. So nothing has to stay beside a container, which
 * would cost 1.5 MB each.
 */
export class Reaper {
  readonly #waiters = new Map<number, (child: EndedChild) => void>()
  /** Processes that ended before `endOf` was called: a container may be gone before its pid is known. */
  readonly #unclaimed = new Map<number, EndedChild>()
  readonly #session: number
  #expecting = 0
  #sweep: NodeJS.Immediate | undefined
  #keepAlive: NodeJS.Timeout | undefined
  #strayTimer: NodeJS.Timeout | undefined

  constructor() {
    this.#session = sessionOf(process.pid) ?? 0
    setChildSubreaper()
    // On this signal libuv waits for its own children by their pids; when the sweep runs, those are gone.
    process.on('SIGCHLD', () => this.#sweepSoon())
  }

  /** Announces a process whose pid is not known yet: ends are remembered until the returned function is called. */
  expect(): () => void {
    this.#expecting += 1
    let expecting = true
    return () => {
      if (!expecting) return
      expecting = false
      this.#expecting -= 1
      if (this.#expecting === 0) this.#unclaimed.clear()
    }
  }

  /**
   * Waits for the end of a process that is, or is about to become, an adopted child. Until this settles the kernel gives
   * its pid to nobody else.
   */
  endOf(pid: number): Promise<EndedChild> {
    const ended = this.#unclaimed.get(pid)
    this.#unclaimed.delete(pid)
    if (ended !== undefined) return Promise.resolve(ended)
    // A signal handler does not keep this process alive.
    this.#keepAlive ??= setInterval(() => undefined, longestInterval)
    // The process may have ended before; then no further signal comes.
    this.#sweepSoon()
    return new Promise((resolve) => this.#waiters.set(pid, resolve))
  }

  #sweepSoon(): void {
    this.#sweep ??= setImmediate(() => {
      this.#sweep = undefined
      this.#reap()
    })
  }

  #reap(): void {
    for (let ended = endedChild(); ended !== undefined; ended = endedChild()) {
      // A child of Node's own: libuv is about to wait for it, and its signal will bring us back here.
      if (!this.#waiters.has(ended.pid) && sessionOf(ended.pid) === this.#session) {
        this.#reapLater(ended.pid)
        // The kernel shows the same child again until it is gone; those with a waiter need not be held up by that.
        for (const pid of [...this.#waiters.keys()]) this.#collect(pid)
        return
      }
      if (!this.#collect(ended.pid)) return
    }
  }

  /** Collects a process that has ended; returns false if it has not. */
  #collect(pid: number): boolean {
    const ended = endedChild(pid)
    if (ended === undefined) return false
    const resolve = this.#waiters.get(pid)
    this.#waiters.delete(pid)
    if (this.#waiters.size === 0) {
      clearInterval(this.#keepAlive)
      this.#keepAlive = undefined
    }
    if (resolve) resolve(ended)
    else if (this.#expecting > 0) this.#unclaimed.set(pid, ended)
    return true
  }

  /**
   * Collects a child of our session once libuv has left it alone for long: the OCI runtime's own helpers become ours when
   * it is killed half-way, for example by the end of the container in which it was about to run a command.
   */
  #reapLater(pid: number): void {
    this.#strayTimer ??= setTimeout(() => {
      // After a long turn the loop runs timers before signals, and signals before this.
      setImmediate(() => {
        this.#strayTimer = undefined
        if (endedChild()?.pid === pid) this.#collect(pid)
        this.#reap()
      })
    }, libuvPatience)
  }
}

import { readFileSync } from 'node:fs'
import { type EndedChild, endedChild, setChildSubreaper } from '../../../kernel/index.ts'

/** Of Node's timers, in milliseconds. */
const longestInterval = 2 ** 31 - 1

/** For libuv to ask about a child of its own, in milliseconds: it does so in the next turn. */
const longEnough = 500

/**
 * The parent of processes that this one did not start itself. Detached, the OCI runtime leaves its container to the
 * nearest ancestor that adopts orphans, and the processes that it took to get there too: so nothing stays beside a
 * container, which would cost 1.5 MB each.
 */
export class Reaper {
  readonly #waiting = new Map<number, (child: EndedChild) => void>()
  /** Of processes that ended before anybody asked: a container may be gone before its pid is known. */
  readonly #unclaimed = new Map<number, EndedChild>()
  readonly #session: number
  #starting = 0
  #sweep: NodeJS.Immediate | undefined
  #alive: NodeJS.Timeout | undefined
  #doubting: NodeJS.Timeout | undefined

  constructor() {
    this.#session = sessionOf(process.pid) ?? 0
    setChildSubreaper()
    // libuv asks about its own children by their pids, when it hears of this signal; those are gone by then.
    process.on('SIGCHLD', () => this.#sweepSoon())
  }

  /** Something is being started whose pid is not known yet: ends are remembered until what this returns is called. */
  expect(): () => void {
    this.#starting += 1
    let expecting = true
    return () => {
      if (!expecting) return
      expecting = false
      this.#starting -= 1
      if (this.#starting === 0) this.#unclaimed.clear()
    }
  }

  /** How a process ended that is, or is about to become, an adopted child. Its pid is not used again before that. */
  endOf(pid: number): Promise<EndedChild> {
    const ended = this.#unclaimed.get(pid)
    this.#unclaimed.delete(pid)
    if (ended !== undefined) return Promise.resolve(ended)
    // A handler of signals keeps no process alive.
    this.#alive ??= setInterval(() => undefined, longestInterval)
    // It may have ended while something else was in the way, and is not told of twice.
    this.#sweepSoon()
    return new Promise((resolve) => this.#waiting.set(pid, resolve))
  }

  #sweepSoon(): void {
    this.#sweep ??= setImmediate(() => {
      this.#sweep = undefined
      this.#reap()
    })
  }

  #reap(): void {
    for (let found = endedChild(); found !== undefined; found = endedChild()) {
      // Node's own: the signal that tells libuv of it is on its way, and the rest is looked at after that.
      if (!this.#waiting.has(found.pid) && sessionOf(found.pid) === this.#session) {
        this.#doubt(found.pid)
        // The kernel shows the same one again until it is gone; those that are known need not wait for that.
        for (const pid of [...this.#waiting.keys()]) this.#ask(pid)
        return
      }
      if (!this.#ask(found.pid)) return
    }
  }

  /** Whether it had ended, and is gone now. */
  #ask(pid: number): boolean {
    const ended = endedChild(pid)
    if (ended === undefined) return false
    const wanted = this.#waiting.get(pid)
    this.#waiting.delete(pid)
    if (this.#waiting.size === 0) {
      clearInterval(this.#alive)
      this.#alive = undefined
    }
    if (wanted) wanted(ended)
    else if (this.#starting > 0) this.#unclaimed.set(pid, ended)
    return true
  }

  /**
   * Of our session, but perhaps nobody's child: the OCI runtime's own helpers are left to us when it is killed half-way,
   * as by the end of the container that it was to run a command in. What libuv has not asked about for long is such a one.
   */
  #doubt(pid: number): void {
    this.#doubting ??= setTimeout(() => {
      // After a long turn, timers come before signals, and those before this.
      setImmediate(() => {
        this.#doubting = undefined
        if (endedChild()?.pid === pid) this.#ask(pid)
        this.#reap()
      })
    }, longEnough)
  }
}

/** proc(5): the name in brackets may hold anything; after it come state, parent, process group and session. */
function sessionOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3])
  } catch {
    // No longer there: somebody else has asked about it.
    return undefined
  }
}

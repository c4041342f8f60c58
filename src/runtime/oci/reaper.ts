import { readFileSync } from 'node:fs'
import { type EndedChild, endedChild, setChildSubreaper } from '../../../netns/kernel/index.ts'

/** Of Node's timers, in milliseconds. */
const longestInterval = 2 ** 31 - 1

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

  constructor() {
    this.#session = sessionOf(process.pid) ?? 0
    setChildSubreaper()
    // libuv asks about its own children by their pids, when it hears of this signal; those are gone by then.
    process.on('SIGCHLD', () => {
      this.#sweep ??= setImmediate(() => {
        this.#sweep = undefined
        this.#reap()
      })
    })
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
    return new Promise((resolve) => this.#waiting.set(pid, resolve))
  }

  #reap(): void {
    for (let found = endedChild(); found !== undefined; found = endedChild()) {
      // Node's own: the signal that tells libuv of it is on its way, and the rest is looked at after that.
      if (!this.#waiting.has(found.pid) && sessionOf(found.pid) === this.#session) return
      const ended = endedChild(found.pid)
      if (ended === undefined) return
      const wanted = this.#waiting.get(ended.pid)
      this.#waiting.delete(ended.pid)
      if (this.#waiting.size === 0) {
        clearInterval(this.#alive)
        this.#alive = undefined
      }
      if (wanted) wanted(ended)
      else if (this.#starting > 0) this.#unclaimed.set(ended.pid, ended)
    }
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

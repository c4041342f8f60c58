/** Hears what others change in a namespace, by netlink's multicast groups. */
import { closeSync } from 'node:fs'
import { NetnsError } from './errors.ts'
import { receive, setsockopt, type Watch, watch } from './libc.ts'
import { openNetlink, split } from './netlink.ts'

/** One notification: a message as the kernel would answer it, without its header. */
export interface Notice {
  type: number
  payload: Buffer
}

const SOL_SOCKET = 1
const SO_RCVBUFFORCE = 33
/** Enough for a few ten thousand notices at once, in bytes; it takes memory only as it fills. */
const bufferSize = 32 * 1024 * 1024

const datagram = Buffer.alloc(64 * 1024)

/** Listens in the namespace that the calling thread is in when it is made. */
export class Monitor implements Disposable {
  readonly #fd: number
  readonly #watch: Watch
  #closed = false

  /** @param readable - called when there is something to `drain` */
  constructor(protocol: number, groups: readonly number[], readable: () => void) {
    this.#fd = openNetlink(protocol, groups)
    try {
      const size = Buffer.alloc(4)
      size.writeInt32LE(bufferSize)
      setsockopt(this.#fd, SOL_SOCKET, SO_RCVBUFFORCE, size, 'enlarge a netlink socket')
      this.#watch = watch(this.#fd, readable)
    } catch (error) {
      closeSync(this.#fd)
      throw error
    }
  }

  /** Returns the notices since the last time; with `lost` not all of them, since the kernel's buffer was full. */
  drain(): { notices: Notice[]; lost: boolean } {
    const notices: Notice[] = []
    let lost = false
    while (!this.#closed) {
      try {
        const length = receive(this.#fd, datagram, 'read from netlink')
        if (length === undefined) break
        if (length > datagram.length) lost = true
        for (const { type, payload } of split(datagram.subarray(0, Math.min(length, datagram.length)))) {
          notices.push({ type, payload: Buffer.from(payload) })
        }
      } catch (error) {
        if (!(error instanceof NetnsError && error.errno === 'ENOBUFS')) throw error
        lost = true
      }
    }
    return { notices, lost }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#watch.close()
    closeSync(this.#fd)
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

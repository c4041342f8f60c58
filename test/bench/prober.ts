import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createConnection } from 'node:net'
import { createInterface } from 'node:readline'

/**
 * Connects to containers from inside the network namespace of another process, over and over until they accept: what
 * somebody waits by who runs Docker on his own host. One helper process serves all turns, so that no process is
 * started while time is taken.
 */
export class Prober implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #lines: NodeJS.AsyncIterator<string>

  /** @param pid - whose network namespace to enter */
  constructor(pid: number) {
    this.#child = spawn('nsenter', [`--net=/proc/${pid}/ns/net`, process.execPath, import.meta.filename])
    this.#child.stderr.pipe(process.stderr)
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]()
  }

  async accepts(address: string, port: number): Promise<void> {
    this.#child.stdin.write(`${address} ${port}\n`)
    const { done } = await this.#lines.next()
    if (done) throw new Error('the prober ended')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit')
    this.#child.stdin.end()
    await exit
  }
}

/** Tries every 2 ms at most; a refusal is immediate, and what is not there yet does not answer for long. */
async function untilAccepted(address: string, port: number): Promise<void> {
  for (;;) {
    const began = performance.now()
    const socket = createConnection({ host: address, port })
    const accepted = await new Promise<boolean>((resolve) => {
      socket.setTimeout(200, () => resolve(false))
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (accepted) return
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, 2 - (performance.now() - began))))
  }
}

if (import.meta.main) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [address = '', port] = line.split(' ')
    await untilAccepted(address, Number(port))
    process.stdout.write('accepted\n')
  }
}

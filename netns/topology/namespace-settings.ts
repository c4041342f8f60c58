/** Settings of the namespace that the thread is in (/proc/sys/net), written so that it costs the same for the thousandth. */
import { closeSync, existsSync, writeFileSync } from 'node:fs'
import { NetnsError, openProc } from '../kernel/index.ts'

/**
 * All namespaces' entries of one procfs hang in one chain of the kernel's name cache, which each new one goes along:
 * with 2,000 namespaces a setting takes 2 ms instead of 20 µs. So this is a procfs of our own, mounted nowhere, and a new
 * one for every few namespaces.
 */
const mostUses = 64

export class NamespaceSettings implements Disposable {
  #proc: number | undefined
  #uses = 0

  /** @param settings - paths below /proc/sys/net */
  write(settings: Readonly<Record<string, string>>): void {
    const net = this.#net()
    for (const [path, value] of Object.entries(settings)) {
      try {
        writeFileSync(`${net}/${path}`, value)
      } catch (cause) {
        const { code } = cause as NodeJS.ErrnoException
        throw new NetnsError(
          'KERNEL',
          `set net/${path} of a namespace to ${value}: ${code}; /proc/sys/net must be writable`,
          {
            cause,
            ...(code === undefined ? {} : { errno: code }),
          },
        )
      }
    }
  }

  /** Those that a module brings, which may not be loaded. */
  writeExisting(settings: Readonly<Record<string, string>>): void {
    const net = this.#net()
    this.write(Object.fromEntries(Object.entries(settings).filter(([path]) => existsSync(`${net}/${path}`))))
  }

  #net(): string {
    if (this.#uses++ % mostUses === 0) {
      this.#close()
      this.#proc = ownProc()
    }
    return this.#proc === undefined ? '/proc/sys/net' : `/proc/self/fd/${this.#proc}/sys/net`
  }

  #close(): void {
    if (this.#proc !== undefined) closeSync(this.#proc)
    this.#proc = undefined
  }

  [Symbol.dispose](): void {
    this.#close()
  }
}

/** Undefined where that is not allowed, as in some containers: then it works, more slowly. */
function ownProc(): number | undefined {
  try {
    return openProc()
  } catch (error) {
    if (error instanceof NetnsError && error.errno !== 'EMFILE') return undefined
    throw error
  }
}

/**
 * Settings of the namespace that the thread is in (/proc/sys/net). The thousandth namespace costs as little as the
 * first.
 */
import { closeSync, existsSync, writeFileSync } from 'node:fs'
import { NetnsError, openProc } from '../kernel/index.ts'

/**
 * How many namespaces one procfs serves. The entries of all namespaces of a procfs hang in one chain of the kernel's
 * name cache, which each new one goes along: with 2,000 namespaces a setting takes 2 ms instead of 20 µs. So settings
 * are written through a procfs of our own, mounted nowhere, and a new one for every few namespaces.
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

  /** Writes settings that come with a module, as far as it is loaded. */
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

/** Opens a procfs of our own; undefined where that is not allowed, as in some containers: the host's serves, slowly. */
function ownProc(): number | undefined {
  try {
    return openProc()
  } catch (error) {
    if (error instanceof NetnsError && error.errno !== 'EMFILE') return undefined
    throw error
  }
}

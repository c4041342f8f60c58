/** Notices when somebody else changes tables of ours, as `nft flush ruleset` does, and puts them back. */
import { Monitor, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NftTransactions } from '../kernel/index.ts'

export interface TableGuardOptions {
  /** The names of the tables. */
  tables: readonly string[]
  /** Makes them anew, in one transaction. */
  restore: () => Promise<unknown>
  /** Told after each restoration: who made it necessary, or why it failed. */
  onRestored: (by: string, failure?: Error) => void
}

/** Of a table that somebody else fights for, give up after so many restorations in one go; the next change begins anew. */
const mostTries = 5

/** Listens in the namespace that the calling thread is in when it is made. */
export class TableGuard implements Disposable {
  readonly #monitor: Monitor
  readonly #transactions = new NftTransactions()
  readonly #options: TableGuardOptions
  #restoring: Promise<void> | undefined
  #culprit: string | undefined
  /** Transactions of our own whose notifications have not been read yet. */
  #own = 0
  #closed = false

  constructor(options: TableGuardOptions) {
    this.#options = options
    this.#monitor = new Monitor(NETLINK_NETFILTER, [NFNLGRP_NFTABLES], () =>
      this.look(this.#restoring !== undefined),
    )
  }

  /** The next transaction is our own. */
  expect(): void {
    this.look()
    this.#own += 1
  }

  /** Runs one transaction of our own; one that fails tells nobody. */
  during(change: () => void): void {
    this.look()
    change()
    this.#own += 1
    this.look()
  }

  /**
   * Reads what was told since the last time.
   *
   * @param mayBeOurs - what could not be told is taken for our own doing
   */
  look(mayBeOurs = false): void {
    if (this.#closed) return
    const { notices, lost } = this.#monitor.drain()
    if (lost && !mayBeOurs) this.#culprit = 'somebody, among too many changes to tell'
    for (const { tables, by } of this.#transactions.read(notices)) {
      if (!this.#options.tables.some((table) => tables.has(table))) continue
      if (this.#own > 0) this.#own -= 1
      else this.#culprit = by
    }
    if (lost) this.#own = 0
    // Who waits for it is told of a failure, and so is onRestored.
    if (this.#culprit !== undefined) this.restore().catch(() => {})
  }

  get restoring(): boolean {
    return this.#restoring !== undefined
  }

  /**
   * Makes the tables anew, as they are to be at this moment; whoever asks while that is being done gets one more
   * round of it.
   *
   * @param by - who made it necessary; without it nobody is told
   */
  restore(by = ''): Promise<void> {
    this.#culprit ??= by
    this.#restoring ??= this.#restore().finally(() => {
      this.#restoring = undefined
    })
    return this.#restoring
  }

  async #restore(): Promise<void> {
    for (let tries = 0; this.#culprit !== undefined && !this.#closed; ) {
      const by = this.#culprit
      this.#culprit = undefined
      try {
        if (by !== '' && ++tries > mostTries) throw new Error(`${by} changes them again and again`)
        this.#own += 1
        await this.#options.restore()
        this.look(true)
        if (by !== '') this.#options.onRestored(by)
      } catch (error) {
        if (by !== '') this.#options.onRestored(by, error as Error)
        throw error
      } finally {
        this.#own = 0
      }
    }
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#monitor.close()
  }
}

/** Notices when somebody else changes tables of ours, as `nft flush ruleset` does, and puts the tables back. */
import { Monitor, NETLINK_NETFILTER, NFNLGRP_NFTABLES, NftTransactions } from '../kernel/index.ts'

export interface TableGuardOptions {
  /** The names of the tables. */
  tables: readonly string[]
  /** Makes them anew, in one transaction. */
  restore: () => Promise<unknown>
  /** Called after each restoration with who made it necessary, and the reason if it failed. */
  onRestored: (by: string, failure?: Error) => void
}

/**
 * The restorations in one go after which to give up, if somebody else fights for the table; the next change begins
 * anew.
 */
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

  /** Announces that the next transaction is our own. */
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
   * Reads the notifications since the last time.
   *
   * @param mayBeOurs - changes whose notifications were lost are taken for our own
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
    // A caller that waits for it learns of a failure, and so does onRestored.
    if (this.#culprit !== undefined) this.restore().catch(() => {})
  }

  get restoring(): boolean {
    return this.#restoring !== undefined
  }

  /**
   * Makes the tables anew, as they are to be at this moment; a call while that is being done causes one more round.
   *
   * @param by - who made it necessary; without it `onRestored` is not called
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

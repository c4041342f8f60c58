import { randomUUID } from 'node:crypto'
import { MoorageError } from '../errors/index.ts'

/** Something that lives as long as the session that asked for it. */
interface Held {
  release(): void
}

/** The sessions that are open: the leases of `start()` hang on them and go when they close. */
export class Sessions {
  readonly #held = new Map<string, Map<string, Held>>()

  get size(): number {
    return this.#held.size
  }

  open(): string {
    const id = randomUUID()
    this.#held.set(id, new Map())
    return id
  }

  close(id: string): void {
    const held = this.#held.get(id)
    this.#held.delete(id)
    for (const one of held?.values() ?? []) one.release()
  }

  /** @throws MoorageError INVALID_REQUEST when there is no such session */
  check(id: string | undefined): string {
    if (id !== undefined && this.#held.has(id)) return id
    throw new MoorageError('INVALID_REQUEST', {
      reason: 'a service is started within a session (header moorage-session), or with detach',
    })
  }

  /** Ties a lease to a session, and gives it an id; a session that closed meanwhile lets go of it at once. */
  hold(id: string, lease: Held): string {
    const leaseId = randomUUID()
    const held = this.#held.get(id)
    if (held) held.set(leaseId, lease)
    else lease.release()
    return leaseId
  }

  /** Lets go of one lease; nothing happens when it is gone already. */
  release(id: string, leaseId: string): void {
    const held = this.#held.get(id)
    held?.get(leaseId)?.release()
    held?.delete(leaseId)
  }
}

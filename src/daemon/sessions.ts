import { randomUUID } from 'node:crypto'
import { MoorageError } from '../errors.ts'

/** Something that lives as long as the session that asked for it. */
interface Held {
  release(): void
}

/** The sessions that are open: the leases of `start()` hang on them and go when they close. */
export class Sessions {
  readonly #held = new Map<string, Set<Held>>()

  get size(): number {
    return this.#held.size
  }

  open(): string {
    const id = randomUUID()
    this.#held.set(id, new Set())
    return id
  }

  close(id: string): void {
    const held = this.#held.get(id) ?? []
    this.#held.delete(id)
    for (const one of held) one.release()
  }

  /** @throws MoorageError INVALID_REQUEST when there is no such session */
  check(id: string | undefined): string {
    if (id !== undefined && this.#held.has(id)) return id
    throw new MoorageError('INVALID_REQUEST', {
      reason: 'a service is started within a session (header moorage-session), or with detach',
    })
  }

  /** Ties a lease to a session; one that closed meanwhile lets go of it at once. */
  hold(id: string, lease: Held): void {
    const held = this.#held.get(id)
    if (held) held.add(lease)
    else lease.release()
  }
}

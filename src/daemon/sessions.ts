import { randomUUID } from 'node:crypto'
import { MoorageError } from '../errors/index.ts'

/** A lease that lives as long as its session. */
interface SessionLease {
  release(): void
}

/** The open sessions, each with the leases of `start()` that are released when it closes. */
export class Sessions {
  readonly #sessions = new Map<string, Map<string, SessionLease>>()

  get size(): number {
    return this.#sessions.size
  }

  open(): string {
    const id = randomUUID()
    this.#sessions.set(id, new Map())
    return id
  }

  close(id: string): void {
    const leases = this.#sessions.get(id)
    this.#sessions.delete(id)
    for (const lease of leases?.values() ?? []) lease.release()
  }

  /** Returns the ID of an open session. @throws MoorageError INVALID_REQUEST if there is none of that ID */
  check(id: string | undefined): string {
    if (id !== undefined && this.#sessions.has(id)) return id
    throw new MoorageError('INVALID_REQUEST', {
      reason: 'a service is started within a session (header moorage-session), or with detach',
    })
  }

  /** Ties a lease to a session; returns the lease's ID. A lease for a session that has closed is released at once. */
  hold(id: string, lease: SessionLease): string {
    const leaseId = randomUUID()
    const leases = this.#sessions.get(id)
    if (leases) leases.set(leaseId, lease)
    else lease.release()
    return leaseId
  }

  /** Releases one lease, unless it is released already. */
  release(id: string, leaseId: string): void {
    const leases = this.#sessions.get(id)
    leases?.get(leaseId)?.release()
    leases?.delete(leaseId)
  }
}

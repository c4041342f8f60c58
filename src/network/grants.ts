import type { Network } from '../../netns/index.ts'
import type { NameClaim } from './name-claims.ts'

/**
 * The part of a network that decides, with `isolation: 'bindings'`, between which members connections may be opened.
 */
export type Gate = Pick<Network, 'grant' | 'revoke'>

/** The present grants, by client. */
export class Grants {
  readonly #gate: Gate
  readonly #held = new Map<NameClaim, Set<NameClaim>>()

  constructor(gate: Gate) {
    this.#gate = gate
  }

  /** Grants the client those of the services that it does not reach yet. */
  async open(client: NameClaim, services: ReadonlySet<NameClaim>): Promise<void> {
    const held = this.#held.get(client) ?? new Set()
    for (const service of services) {
      if (held.has(service)) continue
      await this.#gate.grant(client, service)
      held.add(service)
      this.#held.set(client, held)
    }
  }

  /** Revokes all of the client's grants but those for the services. */
  async close(client: NameClaim, services: ReadonlySet<NameClaim>): Promise<void> {
    const held = this.#held.get(client)
    for (const service of held ?? []) {
      if (services.has(service)) continue
      await this.#gate.revoke(client, service)
      held?.delete(service)
    }
    if (held?.size === 0) this.#held.delete(client)
  }
}

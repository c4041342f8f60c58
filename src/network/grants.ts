import type { Network } from '../../netns/index.ts'
import type { Claim } from './name-claims.ts'

/** The firewall's part of `isolation: 'bindings'`: between which members connections may be opened. */
export type Gate = Pick<Network, 'grant' | 'revoke'>

/** What is granted at the moment, by client. */
export class Grants {
  readonly #gate: Gate
  readonly #held = new Map<Claim, Set<Claim>>()

  constructor(gate: Gate) {
    this.#gate = gate
  }

  /** Grants what is wanted and not yet held. */
  async open(client: Claim, wanted: ReadonlySet<Claim>): Promise<void> {
    const held = this.#held.get(client) ?? new Set()
    for (const service of wanted) {
      if (held.has(service)) continue
      await this.#gate.grant(client, service)
      held.add(service)
      this.#held.set(client, held)
    }
  }

  /** Revokes what is held and not wanted any more. */
  async close(client: Claim, wanted: ReadonlySet<Claim>): Promise<void> {
    const held = this.#held.get(client)
    for (const service of held ?? []) {
      if (wanted.has(service)) continue
      await this.#gate.revoke(client, service)
      held?.delete(service)
    }
    if (held?.size === 0) this.#held.delete(client)
  }
}

/** The firewall's part of `isolation: 'bindings'`: pairs of addresses between which connections may be opened. */
export interface Gate {
  /** Resolves when it is in effect. */
  grant(client: string, service: string): Promise<void>
  revoke(client: string, service: string): Promise<void>
}

/** What is granted at the moment, by the client's address. */
export class Grants {
  readonly #gate: Gate
  readonly #held = new Map<string, Set<string>>()

  constructor(gate: Gate) {
    this.#gate = gate
  }

  /** Grants what is wanted and not yet held. */
  async open(client: string, wanted: ReadonlySet<string>): Promise<void> {
    const held = this.#held.get(client) ?? new Set()
    for (const service of wanted) {
      if (held.has(service)) continue
      await this.#gate.grant(client, service)
      held.add(service)
      this.#held.set(client, held)
    }
  }

  /** Revokes what is held and not wanted any more. */
  async close(client: string, wanted: ReadonlySet<string>): Promise<void> {
    const held = this.#held.get(client)
    for (const service of held ?? []) {
      if (wanted.has(service)) continue
      await this.#gate.revoke(client, service)
      held?.delete(service)
    }
    if (held?.size === 0) this.#held.delete(client)
  }
}

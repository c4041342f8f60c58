/** Who answers to a name at the moment: several members may claim one, and a service goes before a mere run. */
export interface Claim {
  readonly address: string
  /** Where the network has IPv6. */
  readonly address6: string | undefined
  /** A service's claim wins over that of a run of equal definition. */
  readonly service: boolean
}

/** The names of one network, each with those who claim it, oldest first. */
export class NameClaims {
  readonly #claims = new Map<string, Claim[]>()

  add(name: string, claim: Claim): void {
    const held = this.#claims.get(name)
    if (held) held.push(claim)
    else this.#claims.set(name, [claim])
  }

  remove(name: string, claim: Claim): void {
    const left = (this.#claims.get(name) ?? []).filter((other) => other !== claim)
    if (left.length > 0) this.#claims.set(name, left)
    else this.#claims.delete(name)
  }

  /** Who has the name now; undefined where nobody claims it. */
  holderOf(name: string): Claim | undefined {
    const held = this.#claims.get(name) ?? []
    return held.find((claim) => claim.service) ?? held[0]
  }

  /** The addresses that the name has now. */
  addressesOf(name: string): readonly string[] {
    const holder = this.holderOf(name)
    return holder === undefined ? [] : addressesOf(holder)
  }
}

/** IPv4 first. */
export const addressesOf = ({ address, address6 }: Claim): string[] =>
  address6 === undefined ? [address] : [address, address6]

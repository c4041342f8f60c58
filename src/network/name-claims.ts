/** A member's claim to its names: several may claim one name, and then a service goes before a mere run. */
export interface NameClaim {
  readonly address: string
  /** Undefined where the network has no IPv6. */
  readonly address6: string | undefined
  /** A service's claim wins over that of a run of equal definition. */
  readonly service: boolean
}

/** The names of one network, each with its claims, oldest first. */
export class NameClaims {
  readonly #claims = new Map<string, NameClaim[]>()

  add(name: string, claim: NameClaim): void {
    const claims = this.#claims.get(name)
    if (claims) claims.push(claim)
    else this.#claims.set(name, [claim])
  }

  remove(name: string, claim: NameClaim): void {
    const others = (this.#claims.get(name) ?? []).filter((other) => other !== claim)
    if (others.length > 0) this.#claims.set(name, others)
    else this.#claims.delete(name)
  }

  /** Returns the claim that the name leads to now; undefined where nobody claims it. */
  holderOf(name: string): NameClaim | undefined {
    const claims = this.#claims.get(name) ?? []
    return claims.find((claim) => claim.service) ?? claims[0]
  }

  /** Returns the addresses that the name has now. */
  addressesOf(name: string): readonly string[] {
    const holder = this.holderOf(name)
    return holder === undefined ? [] : addressesOf(holder)
  }
}

/** Lists the addresses of a claim, IPv4 first. */
export const addressesOf = ({ address, address6 }: NameClaim): string[] =>
  address6 === undefined ? [address] : [address, address6]

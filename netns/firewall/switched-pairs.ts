/**
 * With isolation 'bindings': between which sandboxes the bridge itself passes on what opens no connection. It knows
 * neither connections nor who opened them. So a pair is one of these only if one of the two was allowed to open
 * connections to the other, and never the other way round: then whatever passes belongs to what was granted, and ends
 * with it. A pair that has had both goes through the IP layer for life.
 */
import type { Grant, Lease, SwitchedPair } from './network-ruleset.ts'

/** The same for both orders. */
const pairOf = ([one, other]: Grant) => (one < other ? `${one} ${other}` : `${other} ${one}`)
const both = 'both'

export class SwitchedPairs {
  readonly #isHeld: (grant: Grant) => boolean
  /** By each of its addresses. */
  readonly #leases = new Map<string, Lease>()
  /** Which of a pair was ever granted the other, or `both`. */
  readonly #clients = new Map<string, string>()
  /** What the bridge has: each pair in its two orders. */
  readonly #switched = new Map<string, SwitchedPair[]>()

  constructor(isHeld: (grant: Grant) => boolean) {
    this.#isHeld = isHeld
  }

  admit(lease: Lease): void {
    for (const address of addressesOf(lease)) this.#leases.set(address, lease)
  }

  expel(leases: readonly Lease[]): void {
    const gone = new Set(leases.flatMap(addressesOf))
    for (const address of gone) this.#leases.delete(address)
    for (const pair of this.#clients.keys()) {
      if (pair.split(' ').some((address) => gone.has(address))) this.#clients.delete(pair)
    }
  }

  /** @returns takes it back, for a grant that came to nothing */
  grant(grants: readonly Grant[]): () => void {
    const before = grants.map((grant) => [pairOf(grant), this.#clients.get(pairOf(grant))] as const)
    for (const grant of grants) {
      const [pair, client] = [pairOf(grant), grant[0]]
      const known = this.#clients.get(pair)
      this.#clients.set(pair, known === undefined || known === client ? client : both)
    }
    return () => {
      // Backwards: what was before the first of a pair counts.
      for (const [pair, known] of before.toReversed()) {
        if (known === undefined) this.#clients.delete(pair)
        else this.#clients.set(pair, known)
      }
    }
  }

  /** What the bridge must be told, now that these were granted, revoked or forgotten. */
  change(grants: readonly Grant[]): { add: SwitchedPair[]; remove: SwitchedPair[] } {
    const add: SwitchedPair[] = []
    const remove: SwitchedPair[] = []
    for (const pair of new Set(grants.map(pairOf))) {
      const [had, has] = [this.#switched.get(pair) ?? [], this.#look(pair)]
      if (had.length === 0) add.push(...has)
      else if (has.length === 0) remove.push(...had)
    }
    return { add, remove }
  }

  /** All that the bridge is to have, if it has nothing. */
  all(): SwitchedPair[] {
    this.#switched.clear()
    return [...this.#clients.keys()].flatMap((pair) => this.#look(pair))
  }

  #look(pair: string): SwitchedPair[] {
    const found = this.#find(pair)
    if (found.length === 0) this.#switched.delete(pair)
    else this.#switched.set(pair, found)
    return found
  }

  #find(pair: string): SwitchedPair[] {
    const [one, other] = pair.split(' ') as [string, string]
    const client = this.#clients.get(pair)
    if (client === undefined || client === both) return []
    if (!this.#isHeld([client, client === one ? other : one])) return []
    const [first, second] = [this.#leases.get(one), this.#leases.get(other)]
    // On another bridge nobody has that MAC.
    if (first === undefined || second === undefined || first.bridge !== second.bridge) return []
    return [
      { from: { ...first, address: one }, to: { ...second, address: other } },
      { from: { ...second, address: other }, to: { ...first, address: one } },
    ]
  }
}

const addressesOf = ({ address, address6 }: Lease) =>
  address6 === undefined ? [address] : [address, address6]

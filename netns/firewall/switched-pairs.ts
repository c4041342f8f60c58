/**
 * With isolation 'bindings', the pairs of sandboxes between which the bridge itself passes on what opens no connection.
 * It knows neither connections nor who opened them. So a pair is one of these only if one of the two was allowed to
 * open connections to the other, and never the other way round: then whatever passes belongs to what was granted, and
 * ends with it. A pair that has had both goes through the IP layer for life.
 */
import type { Grant, Sender, SwitchedPair } from './network-ruleset.ts'

/** The key of a pair, the same for both orders. */
const pairOf = ([client, service]: Grant) =>
  client < service ? `${client} ${service}` : `${service} ${client}`
const both = 'both'

export class SwitchedPairs {
  readonly #isHeld: (grant: Grant) => boolean
  /** Senders by each of their addresses. */
  readonly #senders = new Map<string, Sender>()
  /** By pair: which of the two was ever granted the other, or `both`. */
  readonly #clients = new Map<string, string>()
  /** The pairs that the bridge has, each in its two orders. */
  readonly #switched = new Map<string, SwitchedPair[]>()

  constructor(isHeld: (grant: Grant) => boolean) {
    this.#isHeld = isHeld
  }

  admit(sender: Sender): void {
    for (const address of addressesOf(sender)) this.#senders.set(address, sender)
  }

  expel(senders: readonly Sender[]): void {
    const gone = new Set(senders.flatMap(addressesOf))
    for (const address of gone) this.#senders.delete(address)
    for (const pair of this.#clients.keys()) {
      if (pair.split(' ').some((address) => gone.has(address))) this.#clients.delete(pair)
    }
  }

  /** @returns a function that takes it back, for a grant that came to nothing */
  grant(grants: readonly Grant[]): () => void {
    const before = grants.map((grant) => [pairOf(grant), this.#clients.get(pairOf(grant))] as const)
    for (const grant of grants) {
      const [pair, client] = [pairOf(grant), grant[0]]
      const earlier = this.#clients.get(pair)
      this.#clients.set(pair, earlier === undefined || earlier === client ? client : both)
    }
    return () => {
      // Backwards: what was before the first of a pair counts.
      for (const [pair, earlier] of before.toReversed()) {
        if (earlier === undefined) this.#clients.delete(pair)
        else this.#clients.set(pair, earlier)
      }
    }
  }

  /** Returns the changes for the bridge, now that these were granted, revoked or forgotten. */
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

  /** Returns all pairs, for a bridge that has none yet. */
  all(): SwitchedPair[] {
    this.#switched.clear()
    return [...this.#clients.keys()].flatMap((pair) => this.#look(pair))
  }

  #look(pair: string): SwitchedPair[] {
    const switched = this.#find(pair)
    if (switched.length === 0) this.#switched.delete(pair)
    else this.#switched.set(pair, switched)
    return switched
  }

  #find(pair: string): SwitchedPair[] {
    const [address, other] = pair.split(' ') as [string, string]
    const client = this.#clients.get(pair)
    if (client === undefined || client === both) return []
    if (!this.#isHeld([client, client === address ? other : address])) return []
    const [first, second] = [this.#senders.get(address), this.#senders.get(other)]
    // On another bridge nobody has that MAC.
    if (first === undefined || second === undefined || first.bridge !== second.bridge) return []
    return [
      { from: { ...first, address }, to: { ...second, address: other } },
      { from: { ...second, address: other }, to: { ...first, address } },
    ]
  }
}

const addressesOf = ({ address, address6 }: Sender) =>
  address6 === undefined ? [address] : [address, address6]

import { parseAddress } from '../wire/address.ts'
import { contains, type Subnet } from '../wire/subnet.ts'
import type { View } from './view.ts'

/** Clients whose subnet was searched are remembered. Above this number, all are forgotten together. */
const mostRemembered = 4096

/** The views by client: its own, else that of the smallest subnet that it is in. */
export class ViewTable {
  readonly #clients = new Map<string, View>()
  /** In the order of their prefixes, the longest first. */
  #subnets: readonly { subnet: Subnet; view: View }[] = []
  readonly #remembered = new Map<string, View | undefined>()

  /** @param client as `clientKey` spells it */
  get(client: string): View | undefined {
    const own = this.#clients.get(client)
    if (own !== undefined || this.#subnets.length === 0) return own
    if (this.#remembered.has(client)) return this.#remembered.get(client)
    const octets = octetsOf(client)
    if (octets === undefined) return undefined
    const view = this.#subnets.find(({ subnet }) => contains(subnet, octets))?.view
    if (this.#remembered.size === mostRemembered) this.#remembered.clear()
    this.#remembered.set(client, view)
    return view
  }

  /** The view that was set for exactly this client or subnet. */
  at({ text }: Subnet): View | undefined {
    return this.#clients.get(text) ?? this.#subnets.find(({ subnet }) => subnet.text === text)?.view
  }

  /** Sets the view of a client or subnet; `undefined` removes it. */
  put(subnet: Subnet, view: View | undefined): void {
    if (subnet.prefix === subnet.octets.length * 8) {
      if (view === undefined) this.#clients.delete(subnet.text)
      else this.#clients.set(subnet.text, view)
      return
    }
    const others = this.#subnets.filter((other) => other.subnet.text !== subnet.text)
    this.#subnets = view === undefined ? others : [...others, { subnet, view }].sort(longestFirst)
    this.#remembered.clear()
  }

  *entries(): IterableIterator<[client: string, view: View]> {
    yield* this.#clients
    for (const { subnet, view } of this.#subnets) yield [subnet.text, view]
  }
}

/** A caller of `respond()` may give any text for a client, which is no reason to throw. */
function octetsOf(client: string): Buffer | undefined {
  try {
    return parseAddress(client).octets
  } catch {
    return undefined
  }
}

function longestFirst(a: { subnet: Subnet }, b: { subnet: Subnet }): number {
  return b.subnet.prefix - a.subnet.prefix
}

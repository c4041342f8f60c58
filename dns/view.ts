import { isIP } from 'node:net'
import { DnsError } from './errors.ts'
import { hostName } from './name.ts'

/** What each client sees besides the zones: its aliases, by its source address. */
export interface Views {
  /** @param aliases - host name -> a name of the first zone, or a full one that ends in a dot */
  set(client: string, aliases: Readonly<Record<string, string>>): void
  delete(client: string): void
  get(client: string): Readonly<Record<string, string>> | undefined
  entries(): IterableIterator<[client: string, aliases: Readonly<Record<string, string>>]>
}

/** An IPv4 address as it is, when a dual-stack socket says `::ffff:a.b.c.d`. */
export function clientAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

interface View {
  readonly given: Readonly<Record<string, string>>
  readonly targets: ReadonlyMap<string, string>
}

export class ViewData implements Views {
  readonly #views: Map<string, View>

  constructor(from?: ViewData) {
    this.#views = new Map(from ? from.#views : [])
  }

  set(client: string, aliases: Readonly<Record<string, string>>): void {
    if (isIP(client) === 0) throw new DnsError('BAD_ADDRESS', `"${client}" is not the address of a client`)
    const targets = new Map(Object.entries(aliases).map(([alias, target]) => [hostName(alias), target]))
    this.#views.set(clientAddress(client), { given: { ...aliases }, targets })
  }

  delete(client: string): void {
    this.#views.delete(clientAddress(client))
  }

  get(client: string): Readonly<Record<string, string>> | undefined {
    return this.#views.get(clientAddress(client))?.given
  }

  *entries(): IterableIterator<[string, Readonly<Record<string, string>>]> {
    for (const [client, { given }] of this.#views) yield [client, given]
  }

  has(client: string): boolean {
    return this.#views.has(client)
  }

  /** What an alias of this client stands for. */
  target(client: string, name: string): string | undefined {
    return this.#views.get(client)?.targets.get(name)
  }
}

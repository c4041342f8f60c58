import type { DnsServer } from '../../dns/index.ts'

/** One thing that a network's DNS is to say from now on. */
export type DnsChange =
  | {
      readonly kind: 'name'
      /** Relative to the zone. */
      readonly name: string
      /** None: the name goes. */
      readonly addresses: readonly string[]
    }
  | {
      readonly kind: 'view'
      /** A client's address, or a subnet. */
      readonly client: string
      /** Alias -> a name of the zone; undefined: the view goes. */
      readonly aliases: Readonly<Record<string, string>> | undefined
      /** The names that the client can resolve besides its aliases; all where it is not given. */
      readonly only?: readonly string[]
    }

/**
 * All of it is seen from the next query on, or nothing.
 *
 * @throws DnsError as the changes of `moorage/dns` do
 */
export function applyChanges(dns: DnsServer, zone: string, changes: readonly DnsChange[]): void {
  dns.update((tx) => {
    for (const change of changes) {
      if (change.kind === 'name') {
        if (change.addresses.length === 0) tx.zone(zone).delete(change.name)
        else tx.zone(zone).set(change.name, change.addresses)
      } else if (change.aliases === undefined) tx.views.delete(change.client)
      else tx.views.set(change.client, change.aliases, change.only === undefined ? {} : { only: change.only })
    }
  })
}

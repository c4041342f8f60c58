import type { DnsServer } from '../../dns/index.ts'

/** One change of a network's DNS: the addresses of a name, or the view of a client. */
export type DnsChange =
  | {
      readonly kind: 'name'
      /** Relative to the zone. */
      readonly name: string
      /** Without any the name is removed. */
      readonly addresses: readonly string[]
    }
  | {
      readonly kind: 'view'
      /** A client's address, or a subnet. */
      readonly client: string
      /** Alias -> a name of the zone. Undefined: the view is removed. */
      readonly aliases: Readonly<Record<string, string>> | undefined
      /** The names that the client can resolve besides its aliases. @defaultValue all */
      readonly only?: readonly string[]
    }

/**
 * Makes all of the changes, seen from the next query on, or none.
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

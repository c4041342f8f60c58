/** A network's firewall: its rules, who may send as what, and who may reach whom. What it holds outlives a flush. */
import { addressBytes } from './addresses.ts'
import { concatenation, linkNameKey, NetnsError, NftSocket, type SetElements } from './kernel/index.ts'
import { networkTable } from './names.ts'
import { applyRuleset } from './nft.ts'
import { type Grant, type Lease, type NetworkRules, networkRuleset } from './ruleset.ts'
import { TableGuard } from './table-guard.ts'

const macKey = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex')
const grantKey = (grant: Grant) => grant.join(' ')
/** Elements that one message holds with room to spare; a nested attribute has 64 KiB. */
const mostAtOnce = 400

export interface FirewallOptions {
  rules: NetworkRules
  /** A descriptor of the network's namespace. */
  namespace: number
  /** Rules that somebody changed were put back, or could not be. */
  onRestored: (by: string, failure?: Error) => void
}

export class Firewall implements Disposable {
  readonly #rules: NetworkRules
  readonly #namespace: number
  readonly #nft: NftSocket
  readonly #guard: TableGuard
  readonly #leases = new Map<string, Lease>()
  readonly #grants = new Map<string, Grant>()

  /** Must be called inside the network's namespace; rules are there after `apply`. */
  constructor({ rules, namespace, onRestored }: FirewallOptions) {
    this.#rules = rules
    this.#namespace = namespace
    this.#nft = new NftSocket()
    try {
      this.#guard = new TableGuard({ tables: [networkTable], restore: () => this.#apply(), onRestored })
    } catch (error) {
      this.#nft.close()
      throw error
    }
  }

  /** Puts everything in force, in one transaction. */
  async apply(): Promise<void> {
    this.#guard.expect()
    await this.#apply()
    this.#guard.look()
  }

  #apply(): Promise<unknown> {
    const ruleset = networkRuleset(this.#rules, this.#leases.values(), [...this.#grants.values()])
    return applyRuleset(ruleset, this.#namespace)
  }

  /** Lets a sandbox send as its address; in force when it resolves. */
  async admit(lease: Lease): Promise<void> {
    this.#leases.set(lease.address, lease)
    try {
      await this.#change({ add: leaseElements([lease]) })
    } catch (error) {
      this.#leases.delete(lease.address)
      throw error
    }
  }

  /** Takes from sandboxes what they were given: address and grants, all at the same moment. */
  async expel(addresses: readonly string[]): Promise<void> {
    const leases = addresses.flatMap((address) => this.#leases.get(address) ?? [])
    const gone = new Set(leases.flatMap(({ address, address6 }) => [address, address6]))
    const grants = [...this.#grants.values()].filter((grant) => grant.some((address) => gone.has(address)))
    for (const { address } of leases) this.#leases.delete(address)
    for (const grant of grants) this.#grants.delete(grantKey(grant))
    await this.#change({ remove: [...leaseElements(leases), ...grantElements(grants)] })
  }

  async grant(grants: readonly Grant[]): Promise<void> {
    const fresh = grants.filter((grant) => !this.#grants.has(grantKey(grant)))
    for (const grant of fresh) this.#grants.set(grantKey(grant), grant)
    try {
      await this.#change({ add: grantElements(fresh) })
    } catch (error) {
      for (const grant of fresh) this.#grants.delete(grantKey(grant))
      throw error
    }
  }

  async revoke(grants: readonly Grant[]): Promise<void> {
    const held = grants.filter((grant) => this.#grants.delete(grantKey(grant)))
    await this.#change({ remove: grantElements(held) })
  }

  /** Where the kernel says that there is no such thing, somebody has been there: then all of it is made anew. */
  async #change(change: { add?: SetElements[]; remove?: SetElements[] }): Promise<void> {
    if ((change.add ?? change.remove ?? []).length === 0) return
    // Its rules were written before this change, and would undo it.
    if (this.#guard.restoring) return this.#guard.restore()
    try {
      this.#guard.during(() => this.#nft.change(change))
    } catch (error) {
      if (!(error instanceof NetnsError && error.errno === 'ENOENT')) throw error
      await this.#guard.restore('somebody')
    }
  }

  [Symbol.dispose](): void {
    this.#guard[Symbol.dispose]()
    this.#nft.close()
  }
}

function inSet(family: SetElements['family'], set: string, keys: readonly Buffer[]): SetElements[] {
  const parts: SetElements[] = []
  for (let at = 0; at < keys.length; at += mostAtOnce) {
    parts.push({ family, table: networkTable, set, keys: keys.slice(at, at + mostAtOnce) })
  }
  return parts
}

function leaseElements(leases: readonly Lease[]): SetElements[] {
  const key = ({ link, mac }: Lease, address: string) =>
    concatenation(linkNameKey(link), addressBytes(address), macKey(mac))
  return [
    ...inSet(
      'bridge',
      'leases',
      leases.map((lease) => key(lease, lease.address)),
    ),
    ...inSet(
      'bridge',
      'leases6',
      leases.flatMap((lease) => (lease.address6 ? [key(lease, lease.address6)] : [])),
    ),
  ]
}

function grantElements(grants: readonly Grant[]): SetElements[] {
  const keys = (ipv6: boolean) =>
    grants
      .filter(([client]) => client.includes(':') === ipv6)
      .map(([client, service]) => concatenation(addressBytes(client), addressBytes(service)))
  return [...inSet('inet', 'grants', keys(false)), ...inSet('inet', 'grants6', keys(true))]
}

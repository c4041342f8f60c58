/** A network's firewall: its rules, who may send as what, and who may reach whom. Its contents outlive a flush. */
import { addressBytes } from '../addressing/addresses.ts'
import { isIPv6Address } from '../addressing/addresses6.ts'
import { networkTable } from '../addressing/kernel-names.ts'
import { concatenation, linkNameKey, NetnsError, NftSocket, type SetElements, u32 } from '../kernel/index.ts'
import {
  type Grant,
  type HostSide,
  hostChange,
  type NetworkRules,
  networkRuleset,
  type Sender,
  type SwitchedPair,
} from './network-ruleset.ts'
import { runNft } from './nft.ts'
import { SwitchedPairs } from './switched-pairs.ts'
import { TableGuard } from './table-guard.ts'

const macKey = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex')
const grantKey = (grant: Grant) => grant.join(' ')
/** How many elements one message holds with room to spare; a nested attribute has 64 KiB. */
const mostAtOnce = 400

export interface FirewallOptions {
  rules: NetworkRules
  host: HostSide
  /** A descriptor of the network's namespace. */
  namespace: number
  /** Rules that somebody changed were put back, or could not be. */
  onRestored: (by: string, failure?: Error) => void
}

export class Firewall implements Disposable {
  readonly #rules: NetworkRules
  #host: HostSide
  /** The last change of the host's addresses: one after the other. */
  #hostChange: Promise<unknown> = Promise.resolve()
  readonly #namespace: number
  readonly #nft: NftSocket
  readonly #guard: TableGuard
  readonly #senders = new Map<string, Sender>()
  readonly #grants = new Map<string, Grant>()
  #closed = false
  readonly #switched = new SwitchedPairs((grant) => this.#grants.has(grantKey(grant)))

  /** Must be called inside the network's namespace; rules are there after `apply`. */
  constructor({ rules, host, namespace, onRestored }: FirewallOptions) {
    this.#rules = rules
    this.#host = host
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
    const grants = [...this.#grants.values()]
    const ruleset = networkRuleset(
      this.#rules,
      this.#host,
      this.#senders.values(),
      grants,
      this.#switched.all(),
    )
    return runNft(ruleset, this.#namespace)
  }

  /** Has other addresses of the host refused from now on, if they are others. */
  changeHost(own: Pick<HostSide, 'own' | 'own6'>): Promise<void> {
    const change = this.#hostChange.then(async () => {
      const host = { ...this.#host, ...own }
      if (this.#closed || JSON.stringify(host) === JSON.stringify(this.#host)) return
      this.#host = host
      if (this.#guard.restoring) return this.#guard.restore()
      this.#guard.expect()
      try {
        await runNft(hostChange(host), this.#namespace)
        this.#guard.look()
      } catch {
        // The set is not there, since somebody has been there; or nft cannot be run, which this will tell.
        if (!this.#closed) await this.#guard.restore('somebody')
      }
    })
    this.#hostChange = change.catch(() => {})
    return change
  }

  /** The sets that name single sandboxes. With isolation 'network' the bridge passes on to each; else only to pairs. */
  #senderElements(senders: readonly Sender[]): SetElements[] {
    return [...leaseElements(senders), ...(this.#rules.isolation === 'network' ? macElements(senders) : [])]
  }

  /** The changes of switched pairs after these were granted, revoked or forgotten. */
  #switchedElements(grants: readonly Grant[]): { add: SetElements[]; remove: SetElements[] } {
    if (this.#rules.isolation === 'network') return { add: [], remove: [] }
    const { add, remove } = this.#switched.change(grants)
    return { add: switchedElements(add), remove: switchedElements(remove) }
  }

  /** Lets a sandbox send as its address; in force when it resolves. */
  async admit(sender: Sender): Promise<void> {
    this.#senders.set(sender.address, sender)
    this.#switched.admit(sender)
    try {
      await this.#change({ add: this.#senderElements([sender]) })
    } catch (error) {
      this.#senders.delete(sender.address)
      this.#switched.expel([sender])
      throw error
    }
  }

  /** Takes address and grants from sandboxes, all at the same moment. */
  async expel(addresses: readonly string[]): Promise<void> {
    const senders = addresses.flatMap((address) => this.#senders.get(address) ?? [])
    const gone = new Set(senders.flatMap(({ address, address6 }) => [address, address6]))
    const grants = [...this.#grants.values()].filter((grant) => grant.some((address) => gone.has(address)))
    for (const { address } of senders) this.#senders.delete(address)
    for (const grant of grants) this.#grants.delete(grantKey(grant))
    this.#switched.expel(senders)
    const { remove } = this.#switchedElements(grants)
    await this.#change({ remove: [...this.#senderElements(senders), ...grantElements(grants), ...remove] })
  }

  async grant(grants: readonly Grant[]): Promise<void> {
    const fresh = grants.filter((grant) => !this.#grants.has(grantKey(grant)))
    for (const grant of fresh) this.#grants.set(grantKey(grant), grant)
    const takeBack = this.#switched.grant(fresh)
    const { add, remove } = this.#switchedElements(fresh)
    try {
      await this.#change({ add: [...grantElements(fresh), ...add], remove })
    } catch (error) {
      for (const grant of fresh) this.#grants.delete(grantKey(grant))
      takeBack()
      this.#switched.change(fresh)
      throw error
    }
  }

  async revoke(grants: readonly Grant[]): Promise<void> {
    const revoked = grants.filter((grant) => this.#grants.delete(grantKey(grant)))
    const { remove } = this.#switchedElements(revoked)
    await this.#change({ remove: [...grantElements(revoked), ...remove] })
  }

  /** Makes everything anew where the kernel says that there is no such thing: somebody has been there. */
  async #change(change: { add?: SetElements[]; remove?: SetElements[] }): Promise<void> {
    if (![change.add, change.remove].some((elements = []) => elements.length > 0)) return
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
    this.#closed = true
    this.#guard[Symbol.dispose]()
    this.#nft.close()
  }
}

/** Cuts the elements of a set or of a map into messages that are not too long. */
function inSet(
  family: SetElements['family'],
  set: string,
  elements: readonly { key: Buffer; value?: Uint8Array }[],
): SetElements[] {
  const parts: SetElements[] = []
  for (let at = 0; at < elements.length; at += mostAtOnce) {
    const chunk = elements.slice(at, at + mostAtOnce)
    const values = chunk.flatMap(({ value }) => value ?? [])
    parts.push({
      family,
      table: networkTable,
      set,
      keys: chunk.map(({ key }) => key),
      values: values.length === 0 ? undefined : values,
    })
  }
  return parts
}

type Address = 'address' | 'address6'

/** Pairs each sender that has such an address with it. */
const having = (senders: readonly Sender[], which: Address) =>
  senders.flatMap((sender) => {
    const own = sender[which]
    return own === undefined ? [] : [{ ...sender, own: addressBytes(own) }]
  })

function leaseElements(senders: readonly Sender[]): SetElements[] {
  const elements = (which: Address) =>
    having(senders, which).map(({ link, own, mac, bridge }) => ({
      key: concatenation(linkNameKey(link), own, macKey(mac)),
      value: u32(bridge),
    }))
  return [
    ...inSet('bridge', 'leases', elements('address')),
    ...inSet('bridge', 'leases6', elements('address6')),
  ]
}

function macElements(senders: readonly Sender[]): SetElements[] {
  const elements = (which: Address) =>
    having(senders, which).map(({ own, mac, bridge }) => ({
      key: concatenation(u32(bridge), own),
      value: macKey(mac),
    }))
  return [...inSet('bridge', 'macs', elements('address')), ...inSet('bridge', 'macs6', elements('address6'))]
}

function grantElements(grants: readonly Grant[]): SetElements[] {
  const elements = (ipv6: boolean) =>
    grants
      .filter(([client]) => isIPv6Address(client) === ipv6)
      .map(([client, service]) => ({ key: concatenation(addressBytes(client), addressBytes(service)) }))
  return [...inSet('inet', 'grants', elements(false)), ...inSet('inet', 'grants6', elements(true))]
}

function switchedElements(pairs: readonly SwitchedPair[]): SetElements[] {
  const elements = (ipv6: boolean) =>
    pairs
      .filter(({ to }) => isIPv6Address(to.address) === ipv6)
      .map(({ from, to }) => ({
        key: concatenation(
          linkNameKey(from.link),
          addressBytes(from.address),
          macKey(from.mac),
          addressBytes(to.address),
        ),
        value: macKey(to.mac),
      }))
  return [...inSet('bridge', 'switched', elements(false)), ...inSet('bridge', 'switched6', elements(true))]
}

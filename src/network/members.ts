import { rmSync } from 'node:fs'
import type { DnsChange } from './dns-change.ts'
import type { Grants } from './grants.ts'
import { type HostsEntry, writeHostsFile } from './hosts-file.ts'
import { addressesOf, type NameClaim, NameClaims } from './name-claims.ts'

/** Alias -> a name of the zone. */
export type AliasMap = Readonly<Record<string, string>>

/** A member, as its network knows it. */
export interface MemberEntry {
  readonly claim: NameClaim
  readonly names: readonly string[]
  readonly hostname?: string
  readonly hostsFile: string
  aliases: AliasMap
}

/** The steps of one change, in this order. A test makes each of them fail. */
export type ChangeStep = 'grant' | 'dns' | 'hosts' | 'revoke'

export interface MembersOptions {
  zone: string
  dns: { change(changes: readonly DnsChange[]): void }
  /** Present when only bound clients may reach, and resolve, a service. */
  grants?: Grants
  /** Called before each step, which fails with what this throws. */
  beforeStep?: (step: ChangeStep) => void
}

/**
 * The members of a network. Names, views, hosts files and grants all follow from who is a member and who is bound to
 * what: a change is made there, and then published. When publishing fails the change is taken back, and the former
 * state is published again. Changes are made one after the other.
 */
export class Members {
  readonly #options: MembersOptions
  readonly #claims = new NameClaims()
  readonly #entries = new Set<MemberEntry>()
  readonly #byClaim = new Map<NameClaim, MemberEntry>()
  /** A name of the zone -> the members with an alias for it. */
  readonly #binders = new Map<string, Set<MemberEntry>>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: MembersOptions) {
    this.#options = options
  }

  /** Adds a member: all of it is in place when this resolves, or nothing. */
  add(entry: MemberEntry): Promise<void> {
    return this.#change(entry, entry.names, {
      make: () => this.#enter(entry),
      undo: () => this.#leave(entry),
    })
  }

  async remove(entry: MemberEntry): Promise<void> {
    await this.#alone(async () => {
      if (!this.#entries.has(entry)) return
      this.#leave(entry)
      throwAll(await this.#publish(entry, entry.names, true))
    })
  }

  setAliases(entry: MemberEntry, aliases: AliasMap): Promise<void> {
    const before = entry.aliases
    const use = (next: AliasMap) => {
      if (!this.#entries.has(entry)) throw new Error('the member has left its network')
      this.#unbind(entry)
      entry.aliases = next
      this.#bind(entry)
    }
    return this.#change(entry, [], { make: () => use(aliases), undo: () => use(before) })
  }

  /** Forgets all members: the network has gone, and everything that was published with it. */
  forgetAll(): void {
    for (const entry of [...this.#entries]) this.#leave(entry)
  }

  addressesOf(name: string): readonly string[] {
    return this.#claims.addressesOf(name)
  }

  /** Tells whether the client with this address has an alias for one of these names. */
  isBound(client: string, names: readonly string[]): boolean {
    return names.some((name) =>
      [...(this.#binders.get(name) ?? [])].some(({ claim }) => addressesOf(claim).includes(client)),
    )
  }

  #enter(entry: MemberEntry): void {
    this.#entries.add(entry)
    this.#byClaim.set(entry.claim, entry)
    for (const name of entry.names) this.#claims.add(name, entry.claim)
    this.#bind(entry)
  }

  #leave(entry: MemberEntry): void {
    this.#entries.delete(entry)
    this.#byClaim.delete(entry.claim)
    for (const name of entry.names) this.#claims.remove(name, entry.claim)
    this.#unbind(entry)
  }

  #bind(entry: MemberEntry): void {
    for (const target of Object.values(entry.aliases)) {
      const binders = this.#binders.get(target)
      if (binders) binders.add(entry)
      else this.#binders.set(target, new Set([entry]))
    }
  }

  #unbind(entry: MemberEntry): void {
    for (const target of Object.values(entry.aliases)) {
      const binders = this.#binders.get(target)
      binders?.delete(entry)
      if (binders?.size === 0) this.#binders.delete(target)
    }
  }

  #change(
    entry: MemberEntry,
    names: readonly string[],
    { make, undo }: { make: () => void; undo: () => void },
  ): Promise<void> {
    return this.#alone(async () => {
      make()
      const failures = await this.#publish(entry, names, false)
      if (failures.length === 0) return
      undo()
      const more = await this.#publish(entry, names, true)
      // A change that could not be made, such as a name that is none, cannot be taken back either, and need not be.
      throwAll([...failures, ...more.filter((failure) => String(failure) !== String(failures[0]))])
    })
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  /**
   * Brings DNS, hosts files and grants in line with claims and aliases, for these names and the members they concern.
   *
   * @param back - taking back or leaving: every step is tried, whatever fails
   */
  async #publish(entry: MemberEntry, names: readonly string[], back: boolean): Promise<unknown[]> {
    const { dns, grants, beforeStep } = this.#options
    const concerned = new Set(names.flatMap((name) => [...(this.#binders.get(name) ?? [])])).add(entry)
    const failures: unknown[] = []
    const step = async (name: ChangeStep, work: () => unknown) => {
      if (failures.length > 0 && !back) return
      try {
        if (!back) beforeStep?.(name)
        await work()
      } catch (error) {
        failures.push(error)
      }
    }
    // Grants before addresses: a client that has the address shall not be refused.
    for (const member of concerned) {
      await step('grant', () => grants?.open(member.claim, this.#reachable(member)))
    }
    await step('dns', () =>
      dns.change([
        ...names.map((name) => ({ kind: 'name' as const, name, addresses: this.#claims.addressesOf(name) })),
        ...(grants === undefined ? [entry] : [...concerned]).flatMap((member) =>
          addressesOf(member.claim).map((client) => this.#view(client, member)),
        ),
      ]),
    )
    for (const member of concerned) await step('hosts', () => this.#writeHosts(member))
    for (const member of concerned) {
      await step('revoke', () => grants?.close(member.claim, this.#reachable(member)))
    }
    return failures
  }

  /** Returns the services that a member is bound to. */
  #reachable(member: MemberEntry): Set<NameClaim> {
    if (!this.#entries.has(member)) return new Set()
    const holders = Object.values(member.aliases).map((target) => this.#claims.holderOf(target))
    return new Set(holders.filter((holder) => holder !== undefined))
  }

  /** Returns the view of the entry's client. */
  #view(client: string, entry: MemberEntry): DnsChange {
    if (!this.#entries.has(entry)) return { kind: 'view', client, aliases: undefined }
    const { names } = entry
    const aliases = { ...entry.aliases }
    if (this.#options.grants === undefined) return { kind: 'view', client, aliases }
    // Who is bound to a service resolves it by all of its names, as everybody does without isolation.
    const bound = Object.values(aliases).flatMap((target) => [target, ...this.#namesOfHolder(target)])
    return { kind: 'view', client, aliases, only: [...new Set([...names, ...bound])] }
  }

  #namesOfHolder(name: string): readonly string[] {
    const holder = this.#claims.holderOf(name)
    return holder === undefined ? [] : (this.#byClaim.get(holder)?.names ?? [])
  }

  #writeHosts(member: MemberEntry): void {
    if (!this.#entries.has(member)) {
      rmSync(member.hostsFile, { force: true })
      return
    }
    const { zone } = this.#options
    const { hostname } = member
    const others = member.names.filter((name) => name !== hostname)
    const own = [
      ...(hostname === undefined ? [] : [hostname, `${hostname}.${zone}`]),
      ...others.flatMap((name) => [`${name}.${zone}`, name]),
    ]
    const entries: HostsEntry[] = addressesOf(member.claim).map((address) => ({ address, names: own }))
    for (const [alias, target] of Object.entries(member.aliases)) {
      for (const address of this.#claims.addressesOf(target)) entries.push({ address, names: [alias] })
    }
    writeHostsFile(member.hostsFile, entries)
  }
}

/** Throws one failure as it is, and several as one. */
function throwAll(failures: readonly unknown[]): void {
  if (failures.length === 0) return
  if (failures.length === 1) throw failures[0]
  throw new AggregateError(failures, failures.map(String).join('; '), { cause: failures[0] })
}

import type { Address } from '../wire/address.ts'
import { arpaName } from '../wire/arpa-name.ts'
import { NameMap } from '../wire/name-map.ts'
import { derivedSet } from '../wire/record-set.ts'
import { recordTypes } from '../wire/record-types.ts'
import type { NameTree } from './name-tree.ts'

/** Derives PTR records: the names of each address that lies in a reverse zone of ours. */
export class PtrRecords {
  readonly #tree: NameTree
  /** Reverse name -> the names of its address in wire form, the oldest first. */
  readonly #names = new NameMap<Buffer[]>()

  constructor(tree: NameTree) {
    this.#tree = tree
  }

  add(address: Address, name: Buffer): void {
    const reverse = arpaName(address.octets)
    const names = this.#names.get(reverse)
    if (names === undefined) this.#names.set(reverse, [name])
    else names.push(name)
    this.#publish(reverse, names ?? [name])
  }

  remove(address: Address, name: Buffer): void {
    const reverse = arpaName(address.octets)
    const names = this.#names.get(reverse)
    const index = names?.findIndex((other) => other.equals(name)) ?? -1
    if (names === undefined || index === -1) return
    names.splice(index, 1)
    if (names.length === 0) this.#names.delete(reverse)
    this.#publish(reverse, names)
  }

  #publish(reverse: Buffer, names: readonly Buffer[]): void {
    const zone = this.#tree.zoneOf(reverse)
    if (zone?.kind !== 'reverse') return
    this.#tree.forget(reverse)
    if (names.length === 0) {
      const node = this.#tree.get(reverse)
      if (node !== undefined) this.#tree.clear(node)
    } else this.#tree.name(reverse, zone).ptr = derivedSet(recordTypes.PTR.code, zone.ttl, names)
  }
}

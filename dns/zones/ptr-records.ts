import type { Address } from '../wire/address.ts'
import { reverseWire } from '../wire/arpa-name.ts'
import { NameTable } from '../wire/name-map.ts'
import { recordType } from '../wire/rcodes.ts'
import { recordSet } from '../wire/record-set.ts'
import type { Names } from './name-tree.ts'

/** PTR records, derived: the names of each address that lies in a reverse zone of ours. */
export class ReverseNames {
  readonly #names: Names
  /** Reverse name -> the names of its address in wire form, the oldest first. */
  readonly #holders = new NameTable<Buffer[]>()

  constructor(names: Names) {
    this.#names = names
  }

  add(address: Address, name: Buffer): void {
    const wire = reverseWire(address.octets)
    const held = this.#holders.get(wire)
    if (held === undefined) this.#holders.set(wire, [name])
    else held.push(name)
    this.#publish(wire, held ?? [name])
  }

  remove(address: Address, name: Buffer): void {
    const wire = reverseWire(address.octets)
    const held = this.#holders.get(wire)
    const index = held?.findIndex((other) => other.equals(name)) ?? -1
    if (held === undefined || index === -1) return
    held.splice(index, 1)
    if (held.length === 0) this.#holders.delete(wire)
    this.#publish(wire, held)
  }

  #publish(wire: Buffer, held: readonly Buffer[]): void {
    const zone = this.#names.zoneOf(wire)
    if (zone?.kind !== 'reverse') return
    this.#names.forget(wire)
    if (held.length === 0) {
      const node = this.#names.get(wire)
      if (node !== undefined) this.#names.clear(node)
    } else this.#names.name(wire, zone).ptr = recordSet(recordType.PTR, zone.ttl, held)
  }
}

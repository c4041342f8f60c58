import type { Address } from './address.ts'
import { recordType } from './codes.ts'
import { wireName } from './name.ts'
import type { Names } from './names.ts'
import { recordSet } from './record-set.ts'
import { reverseName } from './reverse.ts'

/** PTR records, derived: the names of each address that lies in a reverse zone of ours. */
export class ReverseNames {
  readonly #names: Names
  /** Address -> its names in wire form, the oldest first. */
  readonly #holders = new Map<string, Buffer[]>()

  constructor(names: Names) {
    this.#names = names
  }

  add(address: Address, name: Buffer): void {
    const held = this.#holders.get(address.text)
    if (held === undefined) this.#holders.set(address.text, [name])
    else held.push(name)
    this.#publish(address)
  }

  remove(address: Address, name: Buffer): void {
    const held = this.#holders.get(address.text)
    const index = held?.findIndex((other) => other.equals(name)) ?? -1
    if (held === undefined || index === -1) return
    held.splice(index, 1)
    if (held.length === 0) this.#holders.delete(address.text)
    this.#publish(address)
  }

  #publish({ text, octets }: Address): void {
    const wire = wireName(reverseName(octets))
    const zone = this.#names.zoneOf(wire)
    if (zone?.kind !== 'reverse') return
    this.#names.forget(wire)
    const held = this.#holders.get(text)
    if (held === undefined) {
      const node = this.#names.get(wire)
      if (node !== undefined) this.#names.clear(node)
    } else this.#names.name(wire, zone).ptr = recordSet(recordType.PTR, zone.ttl, held)
  }
}

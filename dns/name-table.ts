import { hashName, sameName } from './name.ts'

interface Entry<T> {
  readonly wire: Buffer
  value: T
  next: Entry<T> | undefined
}

/**
 * A map from names in wire form, whatever their case, that is asked with octets of a packet: a lookup makes neither a
 * string nor anything else.
 */
export class NameTable<T> {
  readonly #buckets = new Map<number, Entry<T>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** `hash` is `hashName` of the same octets, which the packet's decoder has anyway. */
  find(octets: Uint8Array, start: number, length: number, hash: number): T | undefined {
    for (let entry = this.#buckets.get(hash); entry !== undefined; entry = entry.next) {
      if (entry.wire.length === length && sameName(entry.wire, 0, octets, start, length)) return entry.value
    }
    return undefined
  }

  get(wire: Buffer): T | undefined {
    return this.find(wire, 0, wire.length, hashName(wire, 0, wire.length))
  }

  set(wire: Buffer, value: T): void {
    const hash = hashName(wire, 0, wire.length)
    const first = this.#buckets.get(hash)
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.wire.equals(wire)) {
        entry.value = value
        return
      }
    }
    this.#buckets.set(hash, { wire, value, next: first })
    this.#size++
  }

  delete(wire: Buffer): void {
    const hash = hashName(wire, 0, wire.length)
    let before: Entry<T> | undefined
    for (let entry = this.#buckets.get(hash); entry !== undefined; entry = entry.next) {
      if (entry.wire.equals(wire)) {
        if (before !== undefined) before.next = entry.next
        else if (entry.next !== undefined) this.#buckets.set(hash, entry.next)
        else this.#buckets.delete(hash)
        this.#size--
        return
      }
      before = entry
    }
  }
}

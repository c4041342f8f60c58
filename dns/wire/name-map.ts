import { hashName, sameName } from './name.ts'

interface Entry<T> {
  readonly wire: Buffer
  readonly hash: number
  value: T
  next: Entry<T> | undefined
}

/** A power of two. */
const fewestBuckets = 16

/**
 * A map from names in wire form, regardless of case. Names are looked up by octets of a packet, which allocates
 * nothing. There is no `Map` inside: in V8's, deleted entries stay in their bucket until the whole map is rebuilt, so
 * that a name that comes and goes, in a zone of 100,000 others, would soon stand behind thousands of its own deleted
 * entries.
 */
export class NameMap<T> {
  #buckets = new Array<Entry<T> | undefined>(fewestBuckets).fill(undefined)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** @param hash `hashName` of the same octets, which the decoder of the packet has computed anyway */
  find(octets: Uint8Array, start: number, length: number, hash: number): T | undefined {
    for (let entry = this.#buckets[this.#bucketOf(hash)]; entry !== undefined; entry = entry.next) {
      if (entry.hash !== hash || entry.wire.length !== length) continue
      if (sameName(entry.wire, 0, octets, start, length)) return entry.value
    }
    return undefined
  }

  get(wire: Buffer): T | undefined {
    return this.find(wire, 0, wire.length, hashName(wire, 0, wire.length))
  }

  set(wire: Buffer, value: T): void {
    const hash = hashName(wire, 0, wire.length)
    const bucket = this.#bucketOf(hash)
    const first = this.#buckets[bucket]
    for (let entry = first; entry !== undefined; entry = entry.next) {
      if (entry.hash !== hash || !entry.wire.equals(wire)) continue
      entry.value = value
      return
    }
    this.#buckets[bucket] = { wire, hash, value, next: first }
    this.#size++
    if (this.#size > this.#buckets.length) this.#grow()
  }

  delete(wire: Buffer): void {
    const hash = hashName(wire, 0, wire.length)
    const bucket = this.#bucketOf(hash)
    let before: Entry<T> | undefined
    for (let entry = this.#buckets[bucket]; entry !== undefined; entry = entry.next) {
      if (entry.hash === hash && entry.wire.equals(wire)) {
        if (before === undefined) this.#buckets[bucket] = entry.next
        else before.next = entry.next
        this.#size--
        return
      }
      before = entry
    }
  }

  #bucketOf(hash: number): number {
    return (hash ^ (hash >>> 15)) & (this.#buckets.length - 1)
  }

  #grow(): void {
    const old = this.#buckets
    this.#buckets = new Array<Entry<T> | undefined>(2 * old.length).fill(undefined)
    for (const first of old) {
      for (let entry = first; entry !== undefined; ) {
        const { next } = entry
        const bucket = this.#bucketOf(entry.hash)
        entry.next = this.#buckets[bucket]
        this.#buckets[bucket] = entry
        entry = next
      }
    }
  }
}

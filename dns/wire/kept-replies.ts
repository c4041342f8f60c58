import { folded } from './name.ts'
import type { RecordSet } from './record-set.ts'

/** Slots of the index, at first and at most: a power of two. The index doubles when half of them are used. */
const fewestSlots = 1024
const mostSlots = 1 << 18
/** Octets of the memory, at first and at most. */
const leastMemory = 64 * 1024
const mostMemory = 16 * 1024 * 1024

/** The offsets of the parts of a reply from its beginning in the memory; its records follow its name. */
const part = { nameLength: 0, type: 1, count: 2, length: 3, name: 5 } as const
/** Marks in the index, in place of the offset of a reply: the slot was never used, or its reply was forgotten. */
const empty = 0
const deleted = -1

/**
 * Keeps the records of replies that were sent from the zones, each reply as one piece of memory: name, then records.
 * The same question is then answered from an index and that piece. The objects of a name are spread over the heap:
 * with 10,000 names, waiting for the memory was two thirds of the time of a reply.
 *
 * It only repeats what the zones hold: a change of a name's records has to call `forget`.
 */
export class KeptReplies {
  /** Two words for each slot: the key, and the offset of the reply. */
  #slots = new Int32Array(2 * fewestSlots)
  /** The number of slots that are not empty, and the octets of replies that are not forgotten. */
  #used = 0
  #live = 0
  /** The memory that holds the replies. `keep` may replace it by a larger one. */
  octets: Uint8Array = new Uint8Array(leastMemory)
  /** The offset of the next reply. None begins at 0, which stands for an empty slot. */
  #end = 1

  /** @returns the offset of the reply, 0 if it is not kept. @param hash that of the name */
  find(octets: Uint8Array, start: number, length: number, hash: number, type: number): number {
    const key = keyOf(hash, type)
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = firstSlot(key) & mask; ; slot = (slot + 2) & mask) {
      const at = slots[slot + 1] as number
      if (at === empty) return 0
      if (slots[slot] === key && at !== deleted && this.#is(at, octets, start, length, type)) return at
    }
  }

  /** Keeps a reply that is not kept yet. @param octets they spell the name, in upper or lower case */
  keep(
    octets: Uint8Array,
    start: number,
    length: number,
    hash: number,
    type: number,
    { wire, count }: RecordSet,
  ): void {
    const size = part.name + length + wire.length
    // The number of records has one octet.
    if (count > 255) return
    if (!this.#makeRoom(size)) return
    const memory = this.octets
    const at = this.#end
    this.#end += size
    this.#live += size
    memory[at + part.nameLength] = length
    memory[at + part.type] = type
    memory[at + part.count] = count
    memory[at + part.length] = wire.length >> 8
    memory[at + part.length + 1] = wire.length
    for (let index = 0; index < length; index++) {
      memory[at + part.name + index] = folded[octets[start + index] as number] as number
    }
    memory.set(wire, at + part.name + length)
    this.#insert(keyOf(hash, type), at)
  }

  /** Forgets the replies for a name, because its records have changed. */
  forget(wire: Uint8Array, hash: number, types: readonly number[]): void {
    const slots = this.#slots
    const mask = slots.length - 1
    for (const type of types) {
      const key = keyOf(hash, type)
      for (let slot = firstSlot(key) & mask; slots[slot + 1] !== empty; slot = (slot + 2) & mask) {
        const at = slots[slot + 1] as number
        if (slots[slot] === key && at !== deleted && this.#is(at, wire, 0, wire.length, type)) {
          slots[slot + 1] = deleted
          this.#live -= part.name + wire.length + this.lengthAt(at)
        }
      }
    }
  }

  /** The number of records of the reply at an offset. */
  countAt(at: number): number {
    return this.octets[at + part.count] as number
  }

  /** The octets of these records. */
  lengthAt(at: number): number {
    return ((this.octets[at + part.length] as number) << 8) | (this.octets[at + part.length + 1] as number)
  }

  /** The offset of these records. */
  recordsAt(at: number): number {
    return at + part.name + (this.octets[at + part.nameLength] as number)
  }

  #is(at: number, octets: Uint8Array, start: number, length: number, type: number): boolean {
    const memory = this.octets
    if (memory[at + part.nameLength] !== length || memory[at + part.type] !== type) return false
    for (let index = 0; index < length; index++) {
      if (memory[at + part.name + index] !== folded[octets[start + index] as number]) return false
    }
    return true
  }

  #insert(key: number, at: number): void {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = firstSlot(key) & mask
    while ((slots[slot + 1] as number) > 0) slot = (slot + 2) & mask
    if (slots[slot + 1] === empty) this.#used++
    slots[slot] = key
    slots[slot + 1] = at
  }

  /**
   * Makes room for so many octets, and tells whether that was possible. At the limit, or if more than half is
   * forgotten, all replies are dropped; those that are asked for again come back.
   */
  #makeRoom(size: number): boolean {
    if (size > leastMemory) return false
    if (this.#end + size > this.octets.length) {
      if (this.octets.length >= mostMemory || this.#live * 2 < this.#end) this.#clear()
      else {
        const larger = new Uint8Array(2 * this.octets.length)
        larger.set(this.octets)
        this.octets = larger
      }
    }
    // Slots of forgotten replies count too: a search goes on behind them.
    if (this.#used * 4 > this.#slots.length) {
      if (this.#slots.length >= 2 * mostSlots) this.#clear()
      else this.#grow()
    }
    return true
  }

  #grow(): void {
    const old = this.#slots
    this.#slots = new Int32Array(2 * old.length)
    this.#used = 0
    for (let slot = 0; slot < old.length; slot += 2) {
      const at = old[slot + 1] as number
      if (at !== empty && at !== deleted) this.#insert(old[slot] as number, at)
    }
  }

  #clear(): void {
    this.#slots.fill(0)
    this.#used = this.#live = 0
    this.#end = 1
  }
}

function keyOf(hash: number, type: number): number {
  return Math.imul(hash ^ type, 0x01000193)
}

/** An even number: slots are pairs. */
function firstSlot(key: number): number {
  return (key ^ (key >>> 15)) << 1
}

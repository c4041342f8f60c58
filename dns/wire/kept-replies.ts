import { folded } from './name.ts'
import type { RecordSet } from './record-set.ts'

/** Slots of the index at first, and at most: a power of two. Half of them are used, then there are twice as many. */
const fewestSlots = 1024
const mostSlots = 1 << 18
/** Octets of the memory at first, and at most. */
const leastMemory = 64 * 1024
const mostMemory = 16 * 1024 * 1024

/** An answer in memory: its parts by their distance from where it begins, and where its name begins. */
const part = { nameLength: 0, type: 1, count: 2, length: 3, name: 5 } as const
/** In the index, in place of where an answer begins. */
const empty = 0
const taken = -1

/**
 * Answers from the zones that were given before, each as one piece of memory: name, then records. A question that is
 * asked again is answered with a look at an index and at that piece. The objects that a name is made of are spread over
 * the heap; with 10,000 names, waiting for the memory was two thirds of an answer's time.
 *
 * It knows nothing that is not known without it: whoever changes a name's records calls `forget`.
 */
export class KeptReplies {
  /** Two words each: the hash, and where the answer begins. */
  #slots = new Int32Array(2 * fewestSlots)
  /** Slots that are not empty, and octets of answers that are not forgotten. */
  #used = 0
  #live = 0
  /** What answers are read from. Another one after `keep`. */
  octets: Uint8Array = new Uint8Array(leastMemory)
  /** Nothing begins at 0. */
  #end = 1

  /** Where the answer begins; 0 if it is not here. `hash` is the name's. */
  find(octets: Uint8Array, start: number, length: number, hash: number, type: number): number {
    const key = keyOf(hash, type)
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = firstSlot(key) & mask; ; slot = (slot + 2) & mask) {
      const at = slots[slot + 1] as number
      if (at === empty) return 0
      if (slots[slot] === key && at !== taken && this.#is(at, octets, start, length, type)) return at
    }
  }

  /** Remembers an answer that is not here. `octets` spell the name in any case. */
  keep(
    octets: Uint8Array,
    start: number,
    length: number,
    hash: number,
    type: number,
    { wire, count }: RecordSet,
  ): void {
    const size = part.name + length + wire.length
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

  /** Forgets what was answered for a name; its records have changed. */
  forget(wire: Uint8Array, hash: number, types: readonly number[]): void {
    const slots = this.#slots
    const mask = slots.length - 1
    for (const type of types) {
      const key = keyOf(hash, type)
      for (let slot = firstSlot(key) & mask; slots[slot + 1] !== empty; slot = (slot + 2) & mask) {
        const at = slots[slot + 1] as number
        if (slots[slot] === key && at !== taken && this.#is(at, wire, 0, wire.length, type)) {
          slots[slot + 1] = taken
          this.#live -= part.name + wire.length + this.lengthAt(at)
        }
      }
    }
  }

  /** How many records there are, in how many octets, and where they begin. */
  countAt(at: number): number {
    return this.octets[at + part.count] as number
  }

  lengthAt(at: number): number {
    return ((this.octets[at + part.length] as number) << 8) | (this.octets[at + part.length + 1] as number)
  }

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
   * Whether there is room. Where there can be no more, or much was forgotten, all is; what is asked again comes back.
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
    // Slots of what was forgotten count too: they end no search.
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
      if (at !== empty && at !== taken) this.#insert(old[slot] as number, at)
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

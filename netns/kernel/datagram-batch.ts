import { addressOf, receiveMany, sendMany, sockaddrSize } from './libc.ts'

/** Sizes of the kernel's structures on 64-bit machines, in octets. */
const headerSize = 64 // struct mmsghdr
const vectorSize = 16 // struct iovec
const nameSize = 32 // a sockaddr, and padding
const controlSize = 40 // a cmsghdr with struct in6_pktinfo, the longer one

/** Fields of struct mmsghdr and struct iovec, in words of 32 bits. */
const field = {
  name: 0,
  nameLength: 2,
  vector: 4,
  vectors: 6,
  control: 8,
  controlLength: 10,
  size: 14,
} as const
const vectorLength = 2

export interface DatagramBatchOptions {
  /** The most datagrams of a batch. */
  count: number
  /** Octets that each has room for. */
  room: number
  /** `AF_INET` or `AF_INET6`: how long the addresses are. */
  nameLength: number
  /** Receives the address that a datagram was sent to as well; its answer comes from there. */
  destinations: boolean
}

/**
 * Room for a batch of datagrams, as recvmmsg(2) and sendmmsg(2) take it: each is received and, with its answer written
 * over it, sent back to its source. Headers, vectors, addresses and contents are one piece of memory outside the heap.
 * So every address that is written in it leads into itself, and a reference to any part keeps all of it: the garbage
 * collector does not see addresses that only stand in memory.
 */
export class DatagramBatch {
  /** Parts of the messages by place. */
  readonly #contents: Buffer[] = []
  readonly #names: Buffer[] = []
  readonly #controls: Buffer[] = []
  readonly #memory: ArrayBuffer
  readonly #octets: Uint8Array
  readonly #words: Uint32Array
  /** The place that each header points to: answered messages move to the front. */
  readonly #places: Int32Array
  readonly #vectors: number
  readonly #room: number
  readonly #destinations: boolean
  readonly count: number
  #received = 0
  #staged = 0
  #sent = 0

  constructor({ count, room, nameLength, destinations }: DatagramBatchOptions) {
    this.count = count
    this.#room = room
    this.#destinations = destinations
    const vectors = headerSize * count
    const names = vectors + vectorSize * count
    const controls = names + nameSize * count
    const contents = Math.ceil((controls + controlSize * count) / 64) * 64
    this.#vectors = vectors / 4
    this.#memory = new ArrayBuffer(contents + room * count)
    this.#octets = new Uint8Array(this.#memory)
    this.#words = new Uint32Array(this.#memory, 0, contents / 4)
    this.#places = Int32Array.from({ length: count }, (_, place) => place)
    const start = addressOf(this.#memory)
    const headers = new BigUint64Array(this.#memory, 0, contents / 8)
    for (let place = 0; place < count; place++) {
      const part = (at: number, size: number) => Buffer.from(this.#memory, at + size * place, size)
      this.#contents.push(part(contents, room))
      this.#names.push(part(names, nameSize).subarray(0, sockaddrSize))
      this.#controls.push(part(controls, controlSize))
      const header = (headerSize / 8) * place
      const vector = vectors + vectorSize * place
      headers[header + field.name / 2] = start + BigInt(names + nameSize * place)
      headers[header + field.nameLength / 2] = BigInt(nameLength)
      headers[header + field.vector / 2] = start + BigInt(vector)
      headers[header + field.vectors / 2] = 1n
      if (destinations) {
        headers[header + field.control / 2] = start + BigInt(controls + controlSize * place)
        headers[header + field.controlLength / 2] = BigInt(controlSize)
      }
      headers[vector / 8] = start + BigInt(contents + room * place)
      headers[vector / 8 + vectorLength / 2] = BigInt(room)
    }
  }

  /** Receives the datagrams that wait, in place of the last batch. @returns how many, or, below zero, the errno */
  receive(fd: number): number {
    this.clear()
    if (this.#destinations) {
      for (let index = 0; index < this.#received; index++) {
        this.#words[(headerSize / 4) * index + field.controlLength] = controlSize
      }
    }
    const received = receiveMany(fd, this.#octets, this.count)
    this.#received = Math.max(received, 0)
    return received
  }

  /** Forgets the staged answers. */
  clear(): void {
    for (let index = 0; index < this.#staged; index++) {
      this.#words[this.#vectorOf(index) + vectorLength] = this.#room
    }
    this.#staged = this.#sent = 0
  }

  /** Returns the present place of the message at an index: until anything is staged, the one it was received in. */
  placeOf(index: number): number {
    return this.#places[index] as number
  }

  /** Returns the length of a received datagram; more than there is room for when it was cut. */
  sizeOf(index: number): number {
    return this.#words[(headerSize / 4) * index + field.size] as number
  }

  contents(place: number): Buffer {
    return this.#contents[place] as Buffer
  }

  /** Returns the struct sockaddr of its source. */
  name(place: number): Buffer {
    return this.#names[place] as Buffer
  }

  /** Returns the control messages that came with it, that is, the address that it was sent to. */
  control(place: number): Buffer {
    return this.#controls[place] as Buffer
  }

  /**
   * Makes the first octets of a message its answer. Messages are staged in order of their indices; some may be left
   * out.
   */
  stage(index: number, size: number): void {
    const to = this.#staged++
    if (to !== index) this.#swap(to, index)
    this.#words[this.#vectorOf(to) + vectorLength] = size
  }

  /** The number of answers that are staged and not sent yet. */
  get unsent(): number {
    return this.#staged - this.#sent
  }

  /** Sends answers, in order, as far as the kernel takes them. @returns how many, or, below zero, the errno */
  send(fd: number): number {
    const octets = this.#sent === 0 ? this.#octets : this.#octets.subarray(headerSize * this.#sent)
    const sent = sendMany(fd, octets, this.unsent)
    if (sent > 0) this.#sent += sent
    return sent
  }

  /** Gives up the next answer. */
  skip(): void {
    this.#sent++
  }

  #vectorOf(index: number): number {
    return this.#vectors + (vectorSize / 4) * (this.#places[index] as number)
  }

  #swap(a: number, b: number): void {
    const words = this.#words
    for (let word = 0; word < field.size; word++) {
      const at = (headerSize / 4) * a + word
      const other = (headerSize / 4) * b + word
      const kept = words[at] as number
      words[at] = words[other] as number
      words[other] = kept
    }
    const place = this.#places[a] as number
    this.#places[a] = this.#places[b] as number
    this.#places[b] = place
  }
}

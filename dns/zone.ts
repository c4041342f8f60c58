import { addressBytes, hostName, reverseName } from './name.ts'

/** Names of one zone and their addresses. Names are relative to it unless they end in a dot. */
export interface Zone {
  readonly name: string
  /** @throws DnsError BAD_NAME, BAD_ADDRESS */
  set(name: string, addresses: readonly string[]): void
  delete(name: string): void
  get(name: string): readonly string[] | undefined
  entries(): IterableIterator<[name: string, addresses: readonly string[]]>
}

/** The addresses of a name, ready to be sent. */
export interface Addresses {
  readonly texts: readonly string[]
  readonly v4: readonly Buffer[]
  readonly v6: readonly Buffer[]
}

/** A zone's content: copied before it is changed, so that what one transaction does is seen together. */
export class ZoneData implements Zone {
  readonly name: string
  readonly #addresses: Map<string, Addresses>
  /** Names that exist because something below them does (RFC 1034 section 4.3.2), and how much does. */
  readonly #parents: Map<string, number>
  /** reverse name -> full names */
  readonly #pointers: Map<string, Set<string>>

  constructor(name: string, from?: ZoneData) {
    this.name = hostName(name)
    this.#addresses = new Map(from ? from.#addresses : [])
    this.#parents = new Map(from ? from.#parents : [])
    this.#pointers = new Map([...(from ? from.#pointers : [])].map(([key, names]) => [key, new Set(names)]))
  }

  /** The name in full: a relative one gets the zone's. */
  fullName(name: string): string {
    if (name === '@') return this.name
    if (name.endsWith('.')) return hostName(name)
    return hostName(`${name}.${this.name}`)
  }

  set(name: string, addresses: readonly string[]): void {
    const full = this.fullName(name)
    const texts = [...new Set(addresses)]
    const bytes = texts.map(addressBytes)
    this.#remove(full)
    this.#addresses.set(full, {
      texts,
      v4: bytes.filter(({ length }) => length === 4),
      v6: bytes.filter(({ length }) => length === 16),
    })
    this.#countParents(full, 1)
    for (const text of texts) {
      const reverse = reverseName(text)
      const names = this.#pointers.get(reverse)
      if (names) names.add(full)
      else this.#pointers.set(reverse, new Set([full]))
    }
  }

  delete(name: string): void {
    this.#remove(this.fullName(name))
  }

  #remove(full: string): void {
    const held = this.#addresses.get(full)
    if (held === undefined) return
    this.#addresses.delete(full)
    this.#countParents(full, -1)
    for (const text of held.texts) {
      const reverse = reverseName(text)
      const names = this.#pointers.get(reverse)
      names?.delete(full)
      if (names?.size === 0) this.#pointers.delete(reverse)
    }
  }

  #countParents(full: string, by: number): void {
    for (let name = parentOf(full); name.length > this.name.length; name = parentOf(name)) {
      const count = (this.#parents.get(name) ?? 0) + by
      if (count > 0) this.#parents.set(name, count)
      else this.#parents.delete(name)
    }
  }

  get(name: string): readonly string[] | undefined {
    return this.#addresses.get(this.fullName(name))?.texts
  }

  *entries(): IterableIterator<[string, readonly string[]]> {
    for (const [full, { texts }] of this.#addresses)
      yield [full.slice(0, -(this.name.length + 1)) || '@', texts]
  }

  /** By full name. */
  addresses(full: string): Addresses | undefined {
    return this.#addresses.get(full)
  }

  /** Whether the name is there: itself, or something below it. */
  has(full: string): boolean {
    return full === this.name || this.#addresses.has(full) || this.#parents.has(full)
  }

  /** Whether an address is kept whose reverse name lies below this one. */
  hasPointerBelow(reverse: string): boolean {
    return [...this.#pointers.keys()].some((name) => name.endsWith(`.${reverse}`))
  }

  /** The names of an address, by its reverse name. */
  pointers(reverse: string): readonly string[] {
    return [...(this.#pointers.get(reverse) ?? [])]
  }
}

function parentOf(name: string): string {
  const dot = name.indexOf('.')
  return dot < 0 ? '' : name.slice(dot + 1)
}

/** Whether a name is a zone's own or below it. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`)
}

import { SocketAddress } from 'node:net'
import { clientKey } from '../wire/address.ts'

/** Above this number all are forgotten together, so that forged source addresses do not fill the memory. */
const mostRemembered = 16_384

interface Spelled {
  readonly octets: Buffer
  readonly text: string
}

/**
 * The keys of clients, by which views are found, for the octets of their addresses. The key of a client is made once:
 * no further packet of it needs a new string.
 */
export class ClientKeys {
  /** IPv4, by the address as signed 32 bits, which V8 keeps without an object. */
  readonly #four = new Map<number, string>()
  /** IPv6, by hash. Of two addresses with the same hash, the latest stays. */
  readonly #six = new Map<number, Spelled>()

  /** @param octets 4 of an IPv4 address, or 16 of an IPv6 one */
  of(octets: Uint8Array): string {
    const key = word(octets, 0)
    if (octets.length === 4) return this.#four.get(key) ?? this.#spellFour(key, octets)
    const hash = mix(mix(mix(key, word(octets, 4)), word(octets, 8)), word(octets, 12))
    const spelled = this.#six.get(hash)
    return spelled !== undefined && same(spelled.octets, octets) ? spelled.text : this.#spellSix(hash, octets)
  }

  #spellFour(key: number, octets: Uint8Array): string {
    const text = octets.join('.')
    if (this.#four.size === mostRemembered) this.#four.clear()
    this.#four.set(key, text)
    return text
  }

  #spellSix(hash: number, octets: Uint8Array): string {
    const text = clientKey(ipv6Text(octets))
    if (this.#six.size === mostRemembered) this.#six.clear()
    this.#six.set(hash, { octets: Buffer.from(octets), text })
    return text
  }
}

function word(octets: Uint8Array, at: number): number {
  return (
    ((octets[at] as number) << 24) |
    ((octets[at + 1] as number) << 16) |
    ((octets[at + 2] as number) << 8) |
    (octets[at + 3] as number)
  )
}

function mix(hash: number, next: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ next
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let at = 0; at < 16; at++) if (a[at] !== b[at]) return false
  return true
}

function ipv6Text(octets: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, group) => word(octets, group * 2) >>> 16)
  const address = groups.map((group) => group.toString(16)).join(':')
  return new SocketAddress({ address, family: 'ipv6' }).address
}

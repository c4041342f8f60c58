const fourSuffix = Buffer.from('\x07in-addr\x04arpa\x00', 'latin1')
const sixSuffix = Buffer.from('\x03ip6\x04arpa\x00', 'latin1')
const zero = 0x30
const letterA = 0x61

/** The name under arpa., in wire form, whose PTR records are the names of an address (RFC 1035, 3.5; RFC 3596, 2.5). */
export function arpaName(octets: Uint8Array): Buffer {
  return octets.length === 4 ? fourName(octets) : sixName(octets)
}

function fourName(octets: Uint8Array): Buffer {
  let size = fourSuffix.length
  for (const octet of octets) size += octet > 99 ? 4 : octet > 9 ? 3 : 2
  const wire = Buffer.alloc(size)
  let at = 0
  for (let index = 3; index >= 0; index--) {
    const octet = octets[index] as number
    const digits = octet > 99 ? 3 : octet > 9 ? 2 : 1
    wire[at++] = digits
    if (digits === 3) wire[at++] = zero + Math.trunc(octet / 100)
    if (digits >= 2) wire[at++] = zero + (Math.trunc(octet / 10) % 10)
    wire[at++] = zero + (octet % 10)
  }
  wire.set(fourSuffix, at)
  return wire
}

function sixName(octets: Uint8Array): Buffer {
  const wire = Buffer.alloc(64 + sixSuffix.length)
  let at = 0
  for (let index = 15; index >= 0; index--) {
    const octet = octets[index] as number
    for (const nibble of [octet & 15, octet >> 4]) {
      wire[at++] = 1
      wire[at++] = nibble < 10 ? zero + nibble : letterA - 10 + nibble
    }
  }
  wire.set(sixSuffix, at)
  return wire
}

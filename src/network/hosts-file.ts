import { closeSync, constants, fstatSync, openSync, writeSync } from 'node:fs'

/** One line of a hosts file: an address and its names. */
export interface HostsEntry {
  address: string
  names: readonly string[]
}

/** Writes the text of a container's /etc/hosts: localhost, itself, and the services that it is bound to. */
export function hostsText(entries: readonly HostsEntry[]): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost ip6-localhost ip6-loopback']
  for (const { address, names } of entries) {
    if (names.length > 0) lines.push(`${address} ${names.join(' ')}`)
  }
  return `${lines.join('\n')}\n`
}

/**
 * Writes a hosts file in place, by one pwrite padded to the file's present length and never truncated first: it is
 * bind-mounted into a running container, so neither a rename nor a moment of emptiness may be seen there.
 */
export function writeHostsFile(path: string, entries: readonly HostsEntry[]): void {
  const text = Buffer.from(hostsText(entries))
  const descriptor = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o644)
  try {
    const length = Math.max(text.length, fstatSync(descriptor).size)
    const padded = Buffer.alloc(length, '\n')
    text.copy(padded)
    const written = writeSync(descriptor, padded, 0, length, 0)
    if (written !== length) throw new Error(`${path}: wrote ${written} of ${length} bytes`)
  } finally {
    closeSync(descriptor)
  }
}

import { zone } from './hostname.ts'

/** RFC 1035 section 2.3.4: a label has 63 octets at most, a name 253 characters as people write it. */
const labelPattern = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/i
const longestName = 253

/** Whatever inet_aton(3) takes for an address before any name is looked up: `10.1` and `0x7f000001` too. */
const addressPattern = /^(0x[\da-f]*|\d+)(\.(0x[\da-f]*|\d+)){0,3}$/

/** Says what is wrong with an alias, if anything. It may be any host name, also one of the real world. */
export function aliasProblem(alias: string): string | undefined {
  const name = alias.toLowerCase()
  if (name === '' || name.length > longestName) return `it must have 1 to ${longestName} characters`
  if (name.endsWith('.')) return 'it is written without a dot at its end'
  if (!name.split('.').every((label) => labelPattern.test(label))) {
    return 'each part between dots is of letters, digits, "-" and "_", 63 at most, no "-" at its ends'
  }
  if (name === 'localhost' || name.endsWith('.localhost')) return 'localhost is the container itself'
  if (name === zone || name.endsWith(`.${zone}`)) return `names under ${zone} belong to the services`
  if (addressPattern.test(name)) return 'it looks like an address'
  return undefined
}

/** Says what is wrong with a custom hostname, if anything. It is one label of the zone. */
export function labelProblem(label: string): string | undefined {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)) return undefined
  return 'a hostname is one label of lower-case letters, digits and "-", 63 at most'
}

/** Says what is wrong with the name of a cache volume, if anything. */
export function volumeNameProblem(name: string): string | undefined {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return undefined
  return 'a volume’s name is of letters, digits, "_", "." and "-", 128 at most'
}

/**
 * Says what is wrong with a path inside a container, if anything. The daemon follows no path that leads elsewhere.
 */
export function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'it must be absolute'
  if (path.split('/').includes('..')) return 'it must be without ".."'
  return path.includes('\0') ? 'it holds a NUL byte' : undefined
}

/** Says what is wrong with the number of a port, if anything. */
export function portProblem(port: number): string | undefined {
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  return isPort ? undefined : 'a port is a whole number from 1 to 65535'
}

/** Says what is wrong with an owner, if anything. Names are refused: they mean another user in each filesystem. */
export function ownerProblem(owner: string): string | undefined {
  const ids = owner.split(':')
  const usable = ids.length <= 2 && ids.every((id) => /^\d{1,10}$/.test(id) && Number(id) < 2 ** 31)
  return usable ? undefined : 'an owner is uid or uid:gid, as numbers'
}

/** Says what is wrong with a URL to fetch, if anything. */
export function urlProblem(url: string): string | undefined {
  if (url.length > 8_192) return 'it has more than 8192 characters'
  if (!URL.canParse(url)) return 'it is no URL'
  const { protocol, username, password } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return 'it does not begin with http:// or https://'
  // A URL appears in digests, logs and messages.
  return username === '' && password === '' ? undefined : 'it holds credentials, which would not stay secret'
}

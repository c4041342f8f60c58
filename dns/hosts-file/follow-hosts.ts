import { DnsError } from '../errors.ts'
import type { EditableZones } from '../zones/editable-zones.ts'
import { type FollowOptions, followFile } from './follow-file.ts'
import { type HostsLine, parseHosts } from './parse-hosts.ts'

export interface FollowHostsOptions extends FollowOptions {
  /** Called for each line that is wrong, and skipped. */
  problem?: (text: string) => void
  /** Names that the files do not change, as `zone.records()` spells them. */
  except?: ReadonlySet<string>
}

/**
 * Keeps the names of hosts files in the zones of a server, as long as they are in the files: a name without a dot in
 * the first zone, any other in the zone that it ends with. All changes of a file are seen together.
 *
 * @example
 * using hosts = followHosts(dns, ['/etc/hosts.dev'])
 *
 * @throws DnsError `HOSTS_FILE`, if a file cannot be read at first; later, `failed` is called instead
 */
export function followHosts(
  dns: Pick<EditableZones, 'zones' | 'update'>,
  paths: readonly string[],
  { problem = () => undefined, except = new Set(), ...options }: FollowHostsOptions = {},
): Disposable {
  const linesByPath = new Map<string, HostsLine[]>()
  let published = new Map<string, readonly string[]>()

  const publish = () => {
    const current = new Map<string, string[]>()
    for (const [path, lines] of linesByPath) {
      for (const { line, address, names } of lines) {
        for (const name of names) {
          const full = fullName(name, dns.zones)
          if (full === undefined) problem(`${path}:${line}: ${name} is in no zone of this server`)
          else if (!except.has(full)) current.set(full, [...(current.get(full) ?? []), address])
        }
      }
    }
    dns.update((tx) => {
      for (const name of published.keys()) {
        if (!current.has(name)) tx.zone(zoneOf(name, dns.zones) as string).delete(`${name}.`)
      }
      for (const [name, addresses] of current) {
        if (published.get(name)?.join() === addresses.join()) continue
        try {
          tx.zone(zoneOf(name, dns.zones) as string).set(`${name}.`, addresses)
        } catch (error) {
          // The other lines count in spite of one that is wrong.
          problem((error as Error).message)
          current.delete(name)
        }
      }
    })
    published = current
  }

  const followed = new DisposableStack()
  try {
    for (const path of paths) {
      let first = true
      const failed = (error: Error) => {
        if (first) throw new DnsError('HOSTS_FILE', `${path}: ${error.message}`, { cause: error })
        options.failed?.(error)
      }
      const read = (text: string | undefined) => {
        if (text === undefined && first) throw new DnsError('HOSTS_FILE', `${path}: there is no such file`)
        if (text === undefined) problem(`${path}: is gone, and with it its names`)
        linesByPath.set(
          path,
          parseHosts(text ?? '', (line, reason) => problem(`${path}:${line}: ${reason}`)),
        )
        if (!first) publish()
      }
      followed.use(followFile(path, read, { isWhole, ...options, failed }))
      first = false
    }
    publish()
  } catch (error) {
    followed.dispose()
    throw error
  }
  return followed
}

/**
 * A writer that has only begun leaves no file, an empty one, or one whose last line has no end: the old names stay
 * until more comes, or nothing has come for a while.
 */
function isWhole(text: string | undefined): boolean {
  return text?.endsWith('\n') ?? false
}

/** @returns in lower case, without a dot at its end; `undefined` if it is in no zone */
function fullName(name: string, zones: readonly string[]): string | undefined {
  const lower = name.toLowerCase().replace(/\.$/, '')
  const full = lower.includes('.') || zones[0] === '.' ? lower : `${lower}.${zones[0]}`
  return zoneOf(full, zones) === undefined ? undefined : full
}

function zoneOf(name: string, zones: readonly string[]): string | undefined {
  return zones
    .filter((zone) => zone === '.' || name === zone || name.endsWith(`.${zone}`))
    .sort((a, b) => b.length - a.length)[0]
}

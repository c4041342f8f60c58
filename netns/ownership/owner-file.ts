/** One small file beside each network's name: whose the network is, and how to open it again. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { NetworkRules } from '../firewall/network-ruleset.ts'

/** All that is needed to open a network again. */
export interface NetworkDescription extends NetworkRules {
  mtu: number
  uplinkRange: string
  portsPerBridge: number
  quarantine: number
}

/** The contents of the file. */
export interface OwnerRecord {
  instance: string
  /** For people: the process that has the network, or had it last. */
  pid: number
  /** The host's end of the uplink; written before it is made. */
  uplink?: string
  /** Written when the network is complete. */
  description?: NetworkDescription
  /** Its owner let go of it, for somebody to open it again. */
  givenUp?: boolean
  /** The address that its leases had got to then. */
  nextAddress?: number
}

export interface Owner extends OwnerRecord {
  name: string
}

const suffix = '.json'

export const namespaceDirectory = (runDirectory: string) => join(runDirectory, 'netns')
export const namespacePath = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), name)
export const ownerFile = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), `${name}${suffix}`)

const nobody: OwnerRecord = { instance: '', pid: 0 }

/** Reads an owner's file, by its path or descriptor. */
export function readOwner(file: string | number): OwnerRecord {
  try {
    return { ...nobody, ...JSON.parse(readFileSync(file, 'utf8')) }
  } catch {
    // The file has gone meanwhile, or was half written when its process was killed: it is nobody's.
    return nobody
  }
}

/** Lists the owners of all networks that have a name in this run directory; a name without a file is nobody's. */
export function listOwners(runDirectory: string): Owner[] {
  const directory = namespaceDirectory(runDirectory)
  // Not `existsSync`: that takes a directory which this user may not look at for one that is not there.
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return []
  const names = new Set(
    readdirSync(directory).map((file) => (file.endsWith(suffix) ? file.slice(0, -suffix.length) : file)),
  )
  return [...names].map((name) => ({ ...readOwner(ownerFile(runDirectory, name)), name }))
}

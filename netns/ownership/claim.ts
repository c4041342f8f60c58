/**
 * Whose a network is: one small file beside its name, locked as long as its owner lives. The kernel drops the lock
 * when the process ends, however it ends; so nobody has to guess by process ids, which come again.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as rest } from 'node:timers/promises'
import { namespaceDirectory } from '../addressing/kernel-names.ts'
import { faultPoint } from '../fault-points.ts'
import type { NetworkRules } from '../firewall/network-ruleset.ts'
import { lockFile, NetnsError, umount } from '../kernel/index.ts'

/** What is needed to open a network again. */
export interface NetworkDescription extends NetworkRules {
  mtu: number
  uplinkRange: string
  portsPerBridge: number
  quarantine: number
}

/** What the file holds. */
export interface OwnerRecord {
  instance: string
  /** For people: who has it, or had it last. */
  pid: number
  /** The host's end of the uplink; written before it is made. */
  uplink?: string
  /** Written when the network is complete. */
  description?: NetworkDescription
  /** Its owner let go of it, for somebody to open it again. */
  givenUp?: boolean
  /** Where its leases had got to then. */
  nextAddress?: number
}

export interface Owner extends OwnerRecord {
  name: string
}

const suffix = '.json'
const ownerFile = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), `${name}${suffix}`)
export const namespacePath = (runDirectory: string, name: string) =>
  join(namespaceDirectory(runDirectory), name)

const nobody: OwnerRecord = { instance: '', pid: 0 }

function readRecord(from: string | number): OwnerRecord {
  try {
    return { ...nobody, ...JSON.parse(readFileSync(from, 'utf8')) }
  } catch {
    // Gone meanwhile, or written by halves when its process was killed: nobody's.
    return nobody
  }
}

/** The owners of all networks that have a name in this run directory; of a name without a file, nobody. */
export function listOwners(runDirectory: string): Owner[] {
  const directory = namespaceDirectory(runDirectory)
  if (!existsSync(directory)) return []
  const names = new Set(
    readdirSync(directory).map((file) => (file.endsWith(suffix) ? file.slice(0, -suffix.length) : file)),
  )
  return [...names].map((name) => ({ ...readRecord(ownerFile(runDirectory, name)), name }))
}

/** Whether somebody holds the name at this moment. */
export function isHeld(runDirectory: string, name: string): boolean {
  const claim = tryClaim(runDirectory, name, false)
  claim?.close()
  return claim === undefined && existsSync(ownerFile(runDirectory, name))
}

/** This process's hold on a network's name. */
export class Claim {
  /** What the last holder left written. */
  readonly found: OwnerRecord
  readonly name: string
  readonly #runDirectory: string
  readonly #fd: number
  #record: OwnerRecord
  #open = true

  constructor(runDirectory: string, name: string, fd: number) {
    this.name = name
    this.found = readRecord(fd)
    this.#runDirectory = runDirectory
    this.#fd = fd
    this.#record = this.found
  }

  get path(): string {
    return namespacePath(this.#runDirectory, this.name)
  }

  note(fields: Partial<OwnerRecord>): void {
    this.#record = { ...this.#record, ...fields }
    const text = Buffer.from(JSON.stringify(this.#record))
    ftruncateSync(this.#fd, 0)
    writeSync(this.#fd, text, 0, text.length, 0)
  }

  /** Begins anew, with nothing of what the last holder had but the file. */
  clear(instance: string): void {
    this.#unmount()
    this.#record = { instance, pid: process.pid }
    this.note({})
  }

  /** Removes the name: its mount, its file, and at last what says whose it was; and lets go of it. */
  drop(): void {
    if (!this.#open) return
    this.#unmount()
    rmSync(ownerFile(this.#runDirectory, this.name), { force: true })
    faultPoint('name-removed')
    this.close()
  }

  #unmount(): void {
    try {
      umount(this.path)
    } catch (error) {
      // Not mounted, or not even there: it was never finished.
      if (!(error instanceof NetnsError && (error.errno === 'EINVAL' || error.errno === 'ENOENT')))
        throw error
    }
    faultPoint('name-unmounted')
    // The unlink also drops the copies of the mount that other mount namespaces have.
    rmSync(this.path, { force: true })
  }

  /** Lets go of the name, and leaves everything as it is. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#fd)
  }
}

/** The name, unless somebody holds it. */
export function tryClaim(runDirectory: string, name: string, create = true): Claim | undefined {
  const path = ownerFile(runDirectory, name)
  for (;;) {
    let fd: number
    try {
      fd = openSync(path, create ? 'a+' : 'r+', 0o644)
    } catch (error) {
      if (!create && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      if (!lockFile(fd)) {
        closeSync(fd)
        return undefined
      }
      // Whoever had it may have removed it between the opening and the locking: then it is locked in vain.
      if (isSame(fd, path)) return new Claim(runDirectory, name, fd)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    closeSync(fd)
  }
}

function isSame(fd: number, path: string): boolean {
  const there = statSync(path, { throwIfNoEntry: false })
  return there !== undefined && there.ino === fstatSync(fd).ino
}

/** Somebody who only looks whether a name is held holds it for a moment; an owner does so for longer. */
const mostTries = 20

/**
 * Takes a name for this process; until it is dropped or closed nobody else gets it.
 *
 * @throws NetnsError `NETWORK_EXISTS`
 */
export async function claimName(runDirectory: string, name: string): Promise<Claim> {
  try {
    mkdirSync(namespaceDirectory(runDirectory), { recursive: true, mode: 0o755 })
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO'
    const what = `make the directory ${namespaceDirectory(runDirectory)}: ${errno}; give another runDirectory`
    throw new NetnsError('KERNEL', what, { cause, errno })
  }
  for (let tries = 0; tries < mostTries; tries++) {
    const claim = tryClaim(runDirectory, name)
    if (claim !== undefined) return claim
    await rest(1)
  }
  const { pid } = readRecord(ownerFile(runDirectory, name))
  throw new NetnsError('NETWORK_EXISTS', `the network ${name} exists already, of process ${pid}`)
}

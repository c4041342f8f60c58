/**
 * A process's claim to a network's name: it locks the owner's file as long as it lives. The kernel drops the lock when
 * the process ends, however it ends; so nobody has to guess by process ids, which come again.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { faultPoint } from '../fault-points.ts'
import { lockFile, NetnsError } from '../kernel/index.ts'
import { removeNamespaceName } from '../topology/named-namespace.ts'
import { namespaceDirectory, namespacePath, type OwnerRecord, ownerFile, readOwner } from './owner-file.ts'

/** Tells whether somebody holds the name at this moment. */
export function isHeld(runDirectory: string, name: string): boolean {
  const claim = tryClaim(runDirectory, name, 'look')
  claim?.close()
  return claim === undefined && existsSync(ownerFile(runDirectory, name))
}

/** This process's hold on a network's name. */
export class Claim {
  readonly name: string
  /** The record that the last holder left. */
  readonly previous: OwnerRecord
  readonly #runDirectory: string
  readonly #fd: number
  #record: OwnerRecord
  #open = true

  constructor(runDirectory: string, name: string, fd: number) {
    this.name = name
    this.previous = readOwner(fd)
    this.#runDirectory = runDirectory
    this.#fd = fd
    this.#record = this.previous
  }

  /** The path of the namespace. */
  get path(): string {
    return namespacePath(this.#runDirectory, this.name)
  }

  /** Writes fields of the record. */
  write(fields: Partial<OwnerRecord>): void {
    this.#record = { ...this.#record, ...fields }
    const text = Buffer.from(JSON.stringify(this.#record))
    ftruncateSync(this.#fd, 0)
    writeSync(this.#fd, text, 0, text.length, 0)
  }

  /** Begins anew: of what the last holder had only the file stays. */
  clear(instance: string): void {
    removeNamespaceName(this.path)
    this.#record = { instance, pid: process.pid }
    this.write({})
  }

  /** Removes the name: its mount, its file, and at last the record of whose it was; and lets go of it. */
  drop(): void {
    if (!this.#open) return
    removeNamespaceName(this.path)
    rmSync(ownerFile(this.#runDirectory, this.name), { force: true })
    faultPoint('name-removed')
    this.close()
  }

  /** Lets go of the name, and leaves everything as it is. */
  close(): void {
    if (!this.#open) return
    this.#open = false
    closeSync(this.#fd)
  }
}

/** How the owner's file is opened: to look, reading is enough, which every user may. */
const openFlags = { create: 'a+', take: 'r+', look: 'r' } as const

/**
 * Claims the name, unless somebody holds it.
 *
 * @param purpose - `take` claims only a name that is there; the claim of a `look` cannot be written
 */
export function tryClaim(
  runDirectory: string,
  name: string,
  purpose: keyof typeof openFlags = 'create',
): Claim | undefined {
  const path = ownerFile(runDirectory, name)
  for (;;) {
    let fd: number
    try {
      fd = openSync(path, openFlags[purpose], 0o644)
    } catch (error) {
      if (purpose !== 'create' && (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
    try {
      if (!lockFile(fd)) {
        closeSync(fd)
        return undefined
      }
      // Its holder may have removed it between the opening and the locking: then it is locked in vain.
      if (isSame(fd, path)) return new Claim(runDirectory, name, fd)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    closeSync(fd)
  }
}

function isSame(fd: number, path: string): boolean {
  const present = statSync(path, { throwIfNoEntry: false })
  return present !== undefined && present.ino === fstatSync(fd).ino
}

/** `isHeld` holds a name for a moment only; an owner does so for longer than these tries take. */
const mostTries = 20

/**
 * Claims a name for this process; until it is dropped or closed nobody else gets it.
 *
 * @throws NetnsError `NETWORK_EXISTS`
 */
export async function claimName(runDirectory: string, name: string): Promise<Claim> {
  try {
    mkdirSync(namespaceDirectory(runDirectory), { recursive: true, mode: 0o755 })
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? 'EIO'
    const message = `make the directory ${namespaceDirectory(runDirectory)}: ${errno}; give another runDirectory`
    throw new NetnsError('KERNEL', message, { cause, errno })
  }
  for (let tries = 0; tries < mostTries; tries++) {
    const claim = tryClaim(runDirectory, name)
    if (claim !== undefined) return claim
    await sleep(1)
  }
  const { pid } = readOwner(ownerFile(runDirectory, name))
  throw new NetnsError('NETWORK_EXISTS', `the network ${name} exists already, of process ${pid}`)
}

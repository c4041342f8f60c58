import { createHash } from 'node:crypto'
import { withoutUndefined } from '../../without-undefined.ts'
import {
  type FileAttributes,
  type HostPort,
  type Resources,
  type Sharing,
  schemaVersion,
} from '../operations.ts'
import { sha256OfJson } from './sha256.ts'

/**
 * All that is in the digest of an exec: what its process can see, and nothing else. Not in it are ports, health checks,
 * grace, timeouts, the stop signal, `noCache`, and the number of CPUs.
 */
export interface ExecVertex {
  input: string
  args: readonly string[]
  /** In any order; of two variables of one name the last one counts. */
  env: readonly (readonly [name: string, value: string])[]
  user: string
  workdir: string
  stdin?: string | undefined
  expect: 'success' | 'any' | readonly number[]
  /** In any order. */
  mounts: readonly MountVertex[]
  /** In any order. */
  bindings: readonly BindingVertex[]
  hostname?: string | undefined
  instance?: string | undefined
  resources?: Resources | undefined
}

/** A mount: a volume is named, anything else is told by the digest of the vertex that it comes from. */
export type MountVertex =
  | { type: 'cache'; path: string; volume: string; sharing: Sharing }
  | { type: 'directory' | 'file'; path: string; source: string }
  | { type: 'temp'; path: string; size?: number; owner?: string; mode?: number }

interface BindingVertex {
  alias: string
  service: string
}

/** Computes the digest of an exec, which decides both the cache hit and the hostname. */
export function digestOfExec(vertex: ExecVertex): string {
  const { input, args, env, user, workdir, stdin, expect, mounts, bindings, hostname, instance } = vertex
  const resources = observable(vertex.resources)
  return sha256OfJson({
    schemaVersion,
    op: 'exec',
    input,
    args,
    env: [...new Map(env)].sort(([a], [b]) => order(a, b)),
    user,
    workdir,
    expect: typeof expect === 'string' ? expect : expect.toSorted((a, b) => a - b),
    mounts: mounts.toSorted((a, b) => order(a.path, b.path)),
    bindings: canonicalBindings(bindings),
    ...withoutUndefined({ stdin, hostname, instance, resources }),
  })
}

/** Returns the resources that a process can see, in one form; undefined where all are the defaults. */
function observable(resources: Resources | undefined): Record<string, unknown> | undefined {
  const { memory, pids, shmSize, ulimits = {}, capabilities = {}, init } = resources ?? {}
  const limits = Object.entries(ulimits).map(
    ([name, limit]) => [name, typeof limit === 'number' ? { soft: limit, hard: limit } : limit] as const,
  )
  const { add = [], drop = [] } = capabilities
  const seen = {
    ...withoutUndefined({ memory, pids, shmSize }),
    ...(limits.length === 0 ? {} : { ulimits: Object.fromEntries(limits) }),
    ...(add.length === 0 ? {} : { addedCapabilities: [...new Set(add)].sort(order) }),
    ...(drop.length === 0 ? {} : { droppedCapabilities: [...new Set(drop)].sort(order) }),
    ...(init ? { init } : {}),
  }
  return Object.keys(seen).length === 0 ? undefined : seen
}

function canonicalBindings(bindings: readonly BindingVertex[]): BindingVertex[] {
  return bindings
    .map(({ alias, service }) => ({ alias: alias.toLowerCase(), service }))
    .sort((a, b) => order(a.alias, b.alias))
}

/** Compares by UTF-16 code units, as RFC 8785 orders names: the same in every locale. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Computes the digest of an image's root filesystem from the digest that its reference is pinned to. */
export function digestOfImage(digest: string): string {
  return sha256OfJson({ schemaVersion, op: 'image', digest })
}

/** Computes the digest of a root filesystem that is made of a directory, from the digest of that directory. */
export function digestOfRootfs(directory: string): string {
  return sha256OfJson({ schemaVersion, op: 'rootfs', directory })
}

/** Computes the digest of a service of the host, from its ports in any order. */
export function digestOfHostService(ports: readonly HostPort[]): string {
  const sorted = ports.toSorted((a, b) => a.service - b.service || order(a.protocol, b.protocol))
  return sha256OfJson({ schemaVersion, op: 'hostService', ports: sorted })
}

/** Returns the digest of the empty root filesystem. */
export function digestOfScratch(): string {
  return sha256OfJson({ schemaVersion, op: 'scratch' })
}

/** Computes the digest of a directory that a client sent, from the digest of its content. */
export function digestOfHost(digest: string): string {
  return sha256OfJson({ schemaVersion, op: 'host', digest })
}

/** Computes the digest of a file or a directory of a filesystem, from that filesystem's digest. */
export function digestOfPart(
  op: 'directory' | 'file',
  { input, path }: { input: string; path: string },
): string {
  return sha256OfJson({ schemaVersion, op, input, path: normalPath(path) })
}

/** Computes the digest of a filesystem with a copy in it, from the digest of the copy's source. */
export function digestOfCopy(copy: { input: string; source: string; path: string } & FileAttributes): string {
  const { input, source, path, owner, permissions } = copy
  return sha256OfJson({
    schemaVersion,
    op: 'copy',
    input,
    source,
    path: normalPath(path),
    ...withoutUndefined({ owner, permissions }),
  })
}

/** Computes the digest of a filesystem with a new file, from that file's content. */
export function digestOfWrite(
  write: { input: string; path: string; contents: Uint8Array } & FileAttributes,
): string {
  const { input, path, owner, permissions } = write
  const contents = createHash('sha256').update(write.contents).digest('hex')
  return sha256OfJson({
    schemaVersion,
    op: 'write',
    input,
    path: normalPath(path),
    contents,
    ...withoutUndefined({ owner, permissions }),
  })
}

/** Computes the digest of a filesystem from which a path was removed. */
export function digestOfRemove(remove: { input: string; path: string; recursive?: boolean }): string {
  const { input, path, recursive = false } = remove
  return sha256OfJson({ schemaVersion, op: 'remove', input, path: normalPath(path), recursive })
}

/** Computes the digest of the answer of a URL. */
export function digestOfHttp({ url, bindings }: { url: string; bindings: readonly BindingVertex[] }): string {
  return sha256OfJson({ schemaVersion, op: 'http', url, bindings: canonicalBindings(bindings) })
}

/** Returns the one spelling of a path that counts in digests: `/a//b/./` is `/a/b`. */
export function normalPath(path: string): string {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  return `/${names.join('/')}`
}

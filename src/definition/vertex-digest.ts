import { createHash } from 'node:crypto'
import {
  type FileAttributes,
  type HostPort,
  type Resources,
  type Sharing,
  schemaVersion,
} from './operations.ts'
import { sha256OfJson } from './sha256.ts'

/** An exec as its digest sees it: what the process can see, and nothing else. */
export interface ExecVertex {
  input: string
  args: readonly string[]
  /** In any order; of two of one name the last one counts. */
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

/** What is mounted: a volume by its name, anything else by the digest of the vertex that it comes from. */
export type MountVertex =
  | { type: 'cache'; path: string; volume: string; sharing: Sharing }
  | { type: 'directory' | 'file'; path: string; source: string }
  | { type: 'temp'; path: string; size?: number }

export interface BindingVertex {
  alias: string
  service: string
}

/** The digest of an exec: it decides both the cache hit and the hostname. */
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
    ...(stdin === undefined ? {} : { stdin }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(instance === undefined ? {} : { instance }),
    ...(resources === undefined ? {} : { resources }),
  })
}

/** What a process can see of its resources, in one form; nothing for what is as it is without saying. */
function observable(resources: Resources | undefined): Record<string, unknown> | undefined {
  const { memory, pids, shmSize, ulimits = {}, capabilities = {}, init } = resources ?? {}
  const limits = Object.entries(ulimits).map(
    ([name, limit]) => [name, typeof limit === 'number' ? { soft: limit, hard: limit } : limit] as const,
  )
  const { add = [], drop = [] } = capabilities
  const seen = {
    ...(memory === undefined ? {} : { memory }),
    ...(pids === undefined ? {} : { pids }),
    ...(shmSize === undefined ? {} : { shmSize }),
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

/** By UTF-16 code units, as RFC 8785 orders names: the same in every locale. */
function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** An image's root filesystem, by the digest that its reference is pinned to. */
export function digestOfImage(digest: string): string {
  return sha256OfJson({ schemaVersion, op: 'image', digest })
}

/** A root filesystem made of a directory, by the digest of its content. */
export function digestOfRootfs(directory: string): string {
  return sha256OfJson({ schemaVersion, op: 'rootfs', directory })
}

/** Ports of the host, in any order. */
export function digestOfHostService(ports: readonly HostPort[]): string {
  const sorted = ports.toSorted((a, b) => a.service - b.service || order(a.protocol, b.protocol))
  return sha256OfJson({ schemaVersion, op: 'hostService', ports: sorted })
}

/** The empty root filesystem. */
export function digestOfScratch(): string {
  return sha256OfJson({ schemaVersion, op: 'scratch' })
}

/** A directory that a client sent, by the digest of its content. */
export function digestOfHost(digest: string): string {
  return sha256OfJson({ schemaVersion, op: 'host', digest })
}

/** A part of a filesystem, by the vertex that it is a part of. */
export function digestOfPart(
  op: 'directory' | 'file',
  { input, path }: { input: string; path: string },
): string {
  return sha256OfJson({ schemaVersion, op, input, path: normalPath(path) })
}

/** A filesystem with something put into it, by the vertex that this comes from. */
export function digestOfCopy(copy: { input: string; source: string; path: string } & FileAttributes): string {
  const { input, source, path } = copy
  return sha256OfJson({
    schemaVersion,
    op: 'copy',
    input,
    source,
    path: normalPath(path),
    ...attributes(copy),
  })
}

/** A filesystem with a new file, by the file's content. */
export function digestOfWrite(
  write: { input: string; path: string; contents: Uint8Array } & FileAttributes,
): string {
  const { input, path } = write
  const contents = createHash('sha256').update(write.contents).digest('hex')
  return sha256OfJson({
    schemaVersion,
    op: 'write',
    input,
    path: normalPath(path),
    contents,
    ...attributes(write),
  })
}

/** A filesystem without something. */
export function digestOfRemove(remove: { input: string; path: string; recursive?: boolean }): string {
  const { input, path, recursive = false } = remove
  return sha256OfJson({ schemaVersion, op: 'remove', input, path: normalPath(path), recursive })
}

/** What a URL answers. */
export function digestOfHttp({ url, bindings }: { url: string; bindings: readonly BindingVertex[] }): string {
  return sha256OfJson({ schemaVersion, op: 'http', url, bindings: canonicalBindings(bindings) })
}

function attributes({ owner, permissions }: FileAttributes) {
  return {
    ...(owner === undefined ? {} : { owner }),
    ...(permissions === undefined ? {} : { permissions }),
  }
}

/** One spelling of each path: `/a//b/./` is `/a/b`. */
export function normalPath(path: string): string {
  const names = path.split('/').filter((name) => name !== '' && name !== '.')
  return `/${names.join('/')}`
}

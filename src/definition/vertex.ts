import { digestOf } from './digest.ts'
import type { Sharing } from './operations.ts'
import { schemaVersion } from './operations.ts'

/** An exec as its digest sees it: what the process can see, and nothing else. */
export interface ExecVertex {
  input: string
  args: readonly string[]
  /** Sorted by name. */
  env: readonly (readonly [name: string, value: string])[]
  user: string
  workdir: string
  stdin?: string | undefined
  expect: 'success' | 'any' | readonly number[]
  /** Sorted by path. */
  mounts: readonly { type: 'cache'; path: string; volume: string; sharing: Sharing }[]
  bindings: readonly { alias: string; service: string }[]
  hostname?: string | undefined
  instance?: string | undefined
}

/** The digest of an exec: it decides both the cache hit and the hostname. */
export function execVertex(vertex: ExecVertex): string {
  const { input, args, env, user, workdir, stdin, expect, mounts, bindings, hostname, instance } = vertex
  return digestOf({
    schemaVersion,
    op: 'exec',
    input,
    args,
    env,
    user,
    workdir,
    expect: typeof expect === 'string' ? expect : expect.toSorted((a, b) => a - b),
    mounts,
    bindings: bindings
      .map(({ alias, service }) => ({ alias: alias.toLowerCase(), service }))
      .sort((a, b) => (a.alias < b.alias ? -1 : 1)),
    ...(stdin === undefined ? {} : { stdin }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(instance === undefined ? {} : { instance }),
  })
}

/** An image's root filesystem, by the digest that its reference is pinned to. */
export function imageVertex(digest: string): string {
  return digestOf({ schemaVersion, op: 'image', digest })
}

/** A root filesystem made of a directory, by the digest of its content. */
export function rootfsVertex(directory: string): string {
  return digestOf({ schemaVersion, op: 'rootfs', directory })
}

/** The empty root filesystem. */
export function scratchVertex(): string {
  return digestOf({ schemaVersion, op: 'scratch' })
}

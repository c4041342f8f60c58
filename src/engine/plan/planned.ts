import type { FileAttributes, HostPort, Resources, ServiceOptions, Sharing } from '../../definition/index.ts'
import type { ImageConfig } from '../../images/index.ts'

/** The plan of an operation: a vertex with its digest, and the vertices that it is made of. */
export type PlannedVertex = PlannedPart | PlannedFetch

/** A vertex that is a filesystem, or a file of one. */
export type PlannedPart = PlannedFilesystem | PlannedFile

/** A root filesystem that stands ready on disk. */
export interface PlannedRoot {
  readonly kind: 'root'
  readonly digest: string
  /** For people: the image's reference. */
  readonly ref: string
  /** For people: the image's base name. */
  readonly name: string
  readonly directory: string | null
  readonly config: ImageConfig
}

/** An exec vertex: everything that its process can see, with the image's defaults worked in. */
export interface PlannedExec {
  readonly kind: 'exec'
  readonly digest: string
  readonly label: string
  readonly hostname: string
  readonly customName: string | undefined
  readonly input: PlannedFilesystem
  /** The root at the beginning of its chain. */
  readonly root: PlannedRoot
  readonly args: readonly string[]
  readonly env: readonly (readonly [name: string, value: string])[]
  readonly user: string
  readonly workdir: string
  readonly stdin: string | undefined
  readonly expect: 'success' | 'any' | readonly number[]
  readonly volumes: readonly PlannedVolume[]
  /** Mounts other than volumes. */
  readonly mounts: readonly PlannedMount[]
  readonly bindings: readonly PlannedBinding[]
  readonly resources: Resources
  /** It, or a vertex that it descends from, asks for no cache. */
  readonly noCache: boolean
  /** Set where it is a service of the host: it runs no command. */
  readonly hostPorts?: readonly HostPort[]
}

export type PlannedFilesystem = PlannedRoot | PlannedExec | PlannedChange | PlannedDirectory

export interface PlannedVolume {
  readonly path: string
  readonly name: string
  readonly sharing: Sharing
}

export interface PlannedBinding {
  readonly alias: string
  readonly service: PlannedService
}

/** An exec to be run as a service, as one binder wants it. */
export interface PlannedService {
  readonly exec: PlannedExec
  readonly options: ServiceOptions
}

/** A filesystem with one change; the change is a layer of its own above it. */
export interface PlannedChange {
  readonly kind: 'change'
  readonly digest: string
  readonly input: PlannedFilesystem
  readonly root: PlannedRoot
  readonly change: FilesystemChange
  readonly noCache: boolean
}

export type FilesystemChange = CopyChange | WriteChange | RemoveChange

/** Puts a file at `path`, or the content of a directory into the one at `path`. */
export interface CopyChange extends FileAttributes {
  readonly type: 'copy'
  readonly path: string
  readonly source: PlannedPart
}

export interface WriteChange extends FileAttributes {
  readonly type: 'write'
  readonly path: string
  readonly contents: Buffer
}

export interface RemoveChange {
  readonly type: 'remove'
  readonly path: string
  readonly recursive: boolean
}

/** A directory of a filesystem, as a filesystem of its own. */
interface PlannedDirectory {
  readonly kind: 'directory'
  readonly digest: string
  readonly input: PlannedFilesystem
  readonly path: string
  readonly root: PlannedRoot
  readonly noCache: boolean
}

/** A file of a filesystem. */
export interface PlannedFile {
  readonly kind: 'file'
  readonly digest: string
  readonly input: PlannedFilesystem | PlannedFetch
  readonly path: string
  readonly noCache: boolean
}

/** A filesystem whose only file is the answer of a URL. */
export interface PlannedFetch {
  readonly kind: 'fetch'
  readonly digest: string
  readonly url: string
  readonly bindings: readonly PlannedBinding[]
  readonly noCache: boolean
}

/** A mount of an exec, other than a volume. */
export type PlannedMount =
  | {
      readonly type: 'directory' | 'file'
      readonly path: string
      readonly source: PlannedPart
    }
  | {
      readonly type: 'temp'
      readonly path: string
      readonly size?: number
      readonly owner?: string
      readonly mode?: number
    }

/** Returns the root at the beginning of a filesystem's chain. */
export function rootOf(filesystem: PlannedFilesystem): PlannedRoot {
  return filesystem.kind === 'root' ? filesystem : filesystem.root
}

/** True when it is made anew each time, since it comes from an exec or a fetch with `noCache`. */
export function isFresh(part: PlannedPart): boolean {
  return part.kind !== 'root' && part.noCache
}

/** The configuration of a root filesystem that no image made. */
export const emptyConfig: ImageConfig = {
  entrypoint: [],
  cmd: [],
  env: [],
  user: '',
  workdir: '',
  exposedPorts: [],
}

import type { FileAttributes } from '../../definition/index.ts'
import type { PlannedBinding, PlannedFilesystem, PlannedRoot } from './plan.ts'

/** A filesystem made of another by one change; a layer of its own above that one's. */
export interface PlannedChange {
  readonly kind: 'change'
  readonly digest: string
  readonly input: PlannedFilesystem
  readonly root: PlannedRoot
  readonly change: Change
  readonly noCache: boolean
}

export type Change = CopyChange | WriteChange | RemoveChange

/** A file at `path`, or what a directory holds in the one at `path`. */
export interface CopyChange extends FileAttributes {
  readonly type: 'copy'
  readonly path: string
  readonly source: PlannedFilesystem | PlannedFile
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
export interface PlannedDirectory {
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

/** What a URL answers: a filesystem that holds it as its only file. */
export interface PlannedFetch {
  readonly kind: 'fetch'
  readonly digest: string
  readonly url: string
  readonly bindings: readonly PlannedBinding[]
  readonly noCache: boolean
}

/** What is mounted in an exec besides volumes. */
export type PlannedMount =
  | {
      readonly type: 'directory' | 'file'
      readonly path: string
      readonly source: PlannedFilesystem | PlannedFile
    }
  | { readonly type: 'temp'; readonly path: string; readonly size?: number }

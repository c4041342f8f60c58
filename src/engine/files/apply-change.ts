import { chmod, chown, lchown, open, rm, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileAttributes } from '../../definition/index.ts'
import { runTool, toolError } from '../../system-tool/index.ts'
import type { CopyChange, FilesystemChange, RemoveChange, WriteChange } from '../plan/planned.ts'
import { copyFiles } from './copy-files.ts'
import { type Found, type Tree, unsuitable } from './tree.ts'

interface ChangeOptions<C = FilesystemChange> {
  change: C
  /** Name of the changed filesystem, for error messages. */
  root: string
  /** The file or the directory that a copy copies. */
  source?: Found | undefined
  signal: AbortSignal
}

/**
 * Makes one change in a tree. The content of a tree is not trusted: links on the way to a path are followed within the
 * tree only, and a link at the end of a path is replaced, never written through.
 *
 * @throws MoorageError PATH_UNSUITABLE, DISK_FULL; the signal's reason
 */
export async function applyChange(tree: Tree, options: ChangeOptions): Promise<void> {
  const { change } = options
  switch (change.type) {
    case 'copy':
      return change.source.kind === 'file'
        ? copyFile(tree, { ...options, change })
        : copyDirectory(tree, { ...options, change })
    case 'write':
      return write(tree, { ...options, change })
    case 'remove':
      return remove(tree, { ...options, change })
  }
}

async function copyFile(
  tree: Tree,
  { change, root, source, signal }: ChangeOptions<CopyChange>,
): Promise<void> {
  using parent = parentOf(tree, change.path, root)
  const place = join(parent.path, basename(change.path))
  await copyFiles(source, place, ['--no-target-directory', '-H'], { path: change.path, root, signal })
  await setAttributes(place, change)
}

/** Adds the content of the source to the directory that is there already; a file replaces a file. */
async function copyDirectory(
  tree: Tree,
  { change, root, source, signal }: ChangeOptions<CopyChange>,
): Promise<void> {
  using target = tree.directory(change.path, root)
  const from = source && { path: `${source.path}/.`, fd: source.fd }
  await copyFiles(from, `${target.path}/.`, ['--no-target-directory'], { path: change.path, root, signal })
  if (change.owner !== undefined && source) await chownCopied(change.owner, source, target, signal)
  const { mode, uid, gid, atime, mtime } = target.stat
  if (target.isNew) {
    if (change.owner !== undefined) await chown(target.path, ...idsOf(change.owner))
    return
  }
  // `cp` gave the directory the source's attributes: one that was there gets its own back.
  await chown(target.path, uid, gid)
  await chmod(target.path, mode & 0o7777)
  await utimes(target.path, atime, mtime)
}

/** Gives everything that was copied, and nothing else, to an owner. */
async function chownCopied(owner: string, source: Found, target: Found, signal: AbortSignal): Promise<void> {
  const ids = idsOf(owner).join(':')
  const args = ['--null', '--no-run-if-empty', 'chown', '--no-dereference', '--', ids]
  const result = await runTool('xargs', args, {
    cwd: target.path,
    signal,
    input: { command: 'find', args: ['.', '-mindepth', '1', '-print0'], cwd: source.path },
  })
  if (result.code !== 0) throw toolError(`chown ${owner}`, result)
}

async function write(tree: Tree, { change, root }: ChangeOptions<WriteChange>): Promise<void> {
  using parent = parentOf(tree, change.path, root)
  const place = join(parent.path, basename(change.path))
  // What is there is removed first: a link must not be written through.
  await rm(place, { force: true })
  await using file = await open(place, 'wx', 0o644)
  await file.writeFile(change.contents)
  await file.chmod(change.permissions ?? 0o644)
  if (change.owner !== undefined) await file.chown(...idsOf(change.owner))
  // After the owner, since a change of the owner clears the set-user-id bit.
  if (change.permissions !== undefined) await file.chmod(change.permissions)
}

async function remove(tree: Tree, { change, root }: ChangeOptions<RemoveChange>): Promise<void> {
  const { path, recursive } = change
  if (path === '/') throw unsuitable(path, root, 'it is the whole of it')
  using found = tree.entry(path)
  if (found === undefined) return
  if (found.stat.isDirectory() && !recursive) throw unsuitable(path, root, 'it is a directory, not a file')
  using parent = tree.find([dirname(path)], { name: root, kind: 'directory' })
  await rm(join(parent.path, basename(path)), { recursive, force: true })
}

/** Opens the directory of a file that is about to be made, and makes it if need be. */
function parentOf(tree: Tree, path: string, root: string): Found {
  if (path === '/') throw unsuitable(path, root, 'it is a directory, not a file')
  using present = tree.entry(path)
  if (present?.stat.isDirectory()) throw unsuitable(path, root, 'it is a directory, not a file')
  return tree.directory(dirname(path), root)
}

async function setAttributes(place: string, { owner, permissions }: FileAttributes): Promise<void> {
  if (owner !== undefined) await lchown(place, ...idsOf(owner))
  if (permissions !== undefined) await chmod(place, permissions)
}

function idsOf(owner: string): [uid: number, gid: number] {
  const [uid = '0', gid = uid] = owner.split(':')
  return [Number(uid), Number(gid)]
}

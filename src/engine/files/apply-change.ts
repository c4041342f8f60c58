import { chmod, chown, lchown, open, rm, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileAttributes } from '../../definition/index.ts'
import { fullDiskError, runTool, toolError } from '../../system-tool/index.ts'
import type { Change, CopyChange, RemoveChange, WriteChange } from '../plan/planned.ts'
import { type Found, type Tree, unsuitable } from './tree.ts'

export interface Applied<C = Change> {
  change: C
  /** For people: what is changed. */
  root: string
  /** What a copy copies. */
  source?: Found | undefined
  signal: AbortSignal
}

/**
 * Makes one change in a tree. What the tree holds is not to be trusted: links in the way of a path are followed within
 * it, and a link at its end is replaced, never written through.
 *
 * @throws MoorageError PATH_UNSUITABLE, DISK_FULL; the signal's reason
 */
export async function applyChange(tree: Tree, applied: Applied): Promise<void> {
  const { change } = applied
  switch (change.type) {
    case 'copy':
      return change.source.kind === 'file'
        ? copyFile(tree, { ...applied, change })
        : copyDirectory(tree, { ...applied, change })
    case 'write':
      return write(tree, { ...applied, change })
    case 'remove':
      return remove(tree, { ...applied, change })
  }
}

async function copyFile(tree: Tree, { change, root, source, signal }: Applied<CopyChange>): Promise<void> {
  using parent = placeFor(tree, change.path, root)
  const place = join(parent.path, basename(change.path))
  await copy(source, place, ['--no-target-directory', '-H'], { path: change.path, root, signal })
  await give(place, change)
}

/** What is in the source comes to what is there already; a file replaces a file. */
async function copyDirectory(
  tree: Tree,
  { change, root, source, signal }: Applied<CopyChange>,
): Promise<void> {
  using target = tree.directory(change.path, root)
  const from = source && { path: `${source.path}/.`, fd: source.fd }
  await copy(from, `${target.path}/.`, ['--no-target-directory'], { path: change.path, root, signal })
  if (change.owner !== undefined && source) await giveTo(change.owner, source, target, signal)
  const { mode, uid, gid, atime, mtime } = target.stat
  if (target.made) {
    if (change.owner !== undefined) await chown(target.path, ...idsOf(change.owner))
    return
  }
  // `cp` made the directory like the source: one that was there stays what it was.
  await chown(target.path, uid, gid)
  await chmod(target.path, mode & 0o7777)
  await utimes(target.path, atime, mtime)
}

/** Everything that was copied, and nothing else, to an owner. */
async function giveTo(owner: string, source: Found, target: Found, signal: AbortSignal): Promise<void> {
  const ids = idsOf(owner).join(':')
  const args = ['--null', '--no-run-if-empty', 'chown', '--no-dereference', '--', ids]
  const result = await runTool('xargs', args, {
    cwd: target.path,
    signal,
    input: { command: 'find', args: ['.', '-mindepth', '1', '-print0'], cwd: source.path },
  })
  if (result.code !== 0) throw toolError(`chown ${owner}`, result)
}

async function write(tree: Tree, { change, root }: Applied<WriteChange>): Promise<void> {
  using parent = placeFor(tree, change.path, root)
  const place = join(parent.path, basename(change.path))
  // Whatever is there makes room: a link is not written through.
  await rm(place, { force: true })
  await using file = await open(place, 'wx', 0o644)
  await file.writeFile(change.contents)
  await file.chmod(change.permissions ?? 0o644)
  if (change.owner !== undefined) await file.chown(...idsOf(change.owner))
  // Only then, since a change of the owner takes the set-user-id bit away.
  if (change.permissions !== undefined) await file.chmod(change.permissions)
}

async function remove(tree: Tree, { change, root }: Applied<RemoveChange>): Promise<void> {
  const { path, recursive } = change
  if (path === '/') throw unsuitable(path, root, 'it is the whole of it')
  using found = tree.entry(path)
  if (found === undefined) return
  if (found.stat.isDirectory() && !recursive) throw unsuitable(path, root, 'it is a directory, not a file')
  using parent = tree.find([dirname(path)], { name: root, kind: 'directory' })
  await rm(join(parent.path, basename(path)), { recursive, force: true })
}

/** The directory of a file that is about to be made. */
function placeFor(tree: Tree, path: string, root: string): Found {
  if (path === '/') throw unsuitable(path, root, 'it is a directory, not a file')
  using present = tree.entry(path)
  if (present?.stat.isDirectory()) throw unsuitable(path, root, 'it is a directory, not a file')
  return tree.directory(dirname(path), root)
}

async function give(place: string, { owner, permissions }: FileAttributes): Promise<void> {
  if (owner !== undefined) await lchown(place, ...idsOf(owner))
  if (permissions !== undefined) await chmod(place, permissions)
}

function idsOf(owner: string): [uid: number, gid: number] {
  const [uid = '0', gid = uid] = owner.split(':')
  return [Number(uid), Number(gid)]
}

/** Copies what is in a directory into one that exists and is empty, owners, times and all. */
export async function copyTree(from: string, to: string, { signal }: { signal: AbortSignal }): Promise<void> {
  await copy({ path: `${from}/.` }, `${to}/.`, ['--no-target-directory'], {
    path: '/',
    root: 'a copy',
    signal,
  })
}

/**
 * GNU cp keeps owners, modes, times, extended attributes, hard links and holes, copies devices and pipes as what they
 * are, and follows no link. What is in the way is removed first: it would else be written through a link.
 */
async function copy(
  source: { path: string } | undefined,
  place: string,
  options: readonly string[],
  { path, root, signal }: { path: string; root: string; signal: AbortSignal },
): Promise<void> {
  if (source === undefined) throw new Error('a copy without a source')
  const args = ['--archive', '--remove-destination', '--reflink=auto', ...options, '--', source.path, place]
  const result = await runTool('cp', args, { signal })
  if (result.code === 0) return
  const full = fullDiskError(result.stderr, `a copy at ${path}`, 'the state directory')
  if (full) throw full
  const clash = /cannot overwrite (?:non-)?directory '?(.*?)'? with (?:non-)?directory/.exec(result.stderr)
  if (clash) {
    const where = join(path, (clash[1] ?? '').replace(/^\/proc\/\d+\/fd\/\d+\/?/, ''))
    throw unsuitable(where, root, 'a directory and something else are to be in one place')
  }
  throw toolError(`cp to ${path}`, result)
}

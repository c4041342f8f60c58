import { join } from 'node:path'
import { fullDiskError, runTool, toolError } from '../../system-tool/index.ts'
import { unsuitable } from './tree.ts'

/**
 * Copies with GNU cp, which keeps owners, modes, times, extended attributes, hard links and holes, copies devices and
 * pipes as what they are, and follows no link. A file at the destination is removed first, since cp would write through
 * a link.
 *
 * @param root - name of the filesystem that is written to, for error messages, as `path` is
 * @throws MoorageError PATH_UNSUITABLE, DISK_FULL; the signal's reason
 */
export async function copyFiles(
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

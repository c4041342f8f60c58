import { join } from 'node:path'
import { defaultPath } from '../../../definition/default-path.ts'
import { moorageError } from '../../../errors/index.ts'
import type { ContainerSpec } from '../../runtime.ts'
import type { RootFile, RootView } from '../rootfs/root-view.ts'
import type { ContainerUser } from './user.ts'

/**
 * Looks for the command in the root filesystem, as execvp(3) does: the OCI runtimes exit 1 whether it does not exist,
 * may not be executed, or ran and exited 1.
 *
 * @throws MoorageError COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE
 */
export function checkCommand(root: RootView, spec: ContainerSpec, user: ContainerUser): void {
  const [command = ''] = spec.args
  const { image } = spec
  let refused: string | undefined
  for (const candidate of candidates(command, spec)) {
    const stat = root.stat(candidate)
    if (stat === undefined) continue
    const reason = stat.isDirectory()
      ? 'it is a directory'
      : !stat.isFile() || !mayExecute(stat, user)
        ? `${candidate} lacks the execute permission for this user`
        : missingInterpreter(root, candidate)
    if (reason === undefined) return
    refused ??= reason
  }
  if (refused === undefined) throw moorageError('COMMAND_NOT_FOUND', { command, image })
  throw moorageError('COMMAND_NOT_EXECUTABLE', { command, image, reason: refused })
}

function candidates(command: string, { env, workdir }: ContainerSpec): string[] {
  if (command === '') return []
  if (command.includes('/')) return [command.startsWith('/') ? command : join('/', workdir, command)]
  const path = env.findLast((entry) => entry.startsWith('PATH='))?.slice('PATH='.length) ?? defaultPath
  return path.split(':').map((directory) => {
    const absolute = directory.startsWith('/') ? directory : join('/', workdir, directory)
    return join(absolute, command)
  })
}

function mayExecute(
  { mode, uid, gid }: { mode: number; uid: number; gid: number },
  user: ContainerUser,
): boolean {
  // Root needs any one execute bit.
  if (user.uid === 0) return (mode & 0o111) !== 0
  if (uid === user.uid) return (mode & 0o100) !== 0
  if (gid === user.gid || user.additionalGids.includes(gid)) return (mode & 0o010) !== 0
  return (mode & 0o001) !== 0
}

/** Names a missing interpreter or dynamic loader: execve(2) would report ENOENT as if the command itself were missing. */
function missingInterpreter(root: RootView, path: string): string | undefined {
  const interpreter = root.file(path, readInterpreter)
  if (interpreter === undefined || root.stat(interpreter) !== undefined) return undefined
  return `its interpreter ${interpreter} does not exist`
}

function readInterpreter(file: RootFile): string | undefined {
  const head = file.read(0, 256)
  if (head.subarray(0, 2).toString() === '#!') {
    const line = head.subarray(2).toString().split('\n')[0]?.trim().split(/\s/)[0]
    return line?.startsWith('/') ? line : undefined
  }
  return elfInterpreter(file, head)
}

/** Reads the PT_INTERP segment of a little-endian 64-bit program (elf(5)). */
function elfInterpreter(file: RootFile, head: Buffer): string | undefined {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1)
    return undefined
  const entryLength = head.readUInt16LE(54)
  const table = file.read(Number(head.readBigUInt64LE(32)), entryLength * head.readUInt16LE(56))
  for (let at = 0; at + 56 <= table.length && entryLength >= 56; at += entryLength) {
    if (table.readUInt32LE(at) !== 3) continue
    const length = Math.min(4096, Number(table.readBigUInt64LE(at + 32)))
    return file
      .read(Number(table.readBigUInt64LE(at + 8)), length)
      .toString()
      .split('\0')[0]
  }
  return undefined
}

import { type MoorageError, moorageError } from '../../errors/index.ts'
import type { PlannedExec } from './planned.ts'

/** Makes the error for a container that the kernel killed because it reached its memory limit. */
export function outOfMemory(
  { args, resources }: PlannedExec,
  details: { exitCode: number; stdout: string; stderr: string },
): MoorageError {
  const { memory } = resources
  return moorageError('OUT_OF_MEMORY', {
    command: args.join(' '),
    args,
    limit: memory === undefined ? 'all that this host has' : sizeText(memory),
    limitBytes: memory ?? null,
    ...details,
  })
}

/** Makes the error for a container whose command the kernel would not execute. @param reason - the kernel's words */
export function notExecutable({ args, root }: PlannedExec, reason: string): MoorageError {
  return moorageError('COMMAND_NOT_EXECUTABLE', { command: args[0] ?? '', image: root.ref, reason })
}

function sizeText(bytes: number): string {
  return bytes < 1024 ** 3
    ? `${Math.round((bytes / 1024 ** 2) * 10) / 10} MiB`
    : `${Math.round((bytes / 1024 ** 3) * 10) / 10} GiB`
}

import type { Readable } from 'node:stream'
import type { WireError } from '../../../errors/index.ts'
import type { ContainerExit, ContainerSpec, ExecExit, ExecSpec } from '../../runtime.ts'

/** A message of the daemon to the launcher: a line of JSON on its stdin, whose end means that the daemon is gone. */
export type ToLauncher =
  /** `upTo`: where its log stops until more is allowed. */
  | { type: 'start'; spec: ContainerSpec; upTo?: number }
  /** Lets a log go on up to an offset, that of a container or of a command in it; null: without end. */
  | { type: 'allow'; id: string; exec?: string; upTo: number | null }
  | { type: 'signal'; id: string; name: string }
  /** Ends a container that may not have started yet. */
  | { type: 'kill'; id: string }
  /** Runs a command in a container; `exec` is unique. */
  | { type: 'exec'; id: string; exec: string; spec: ExecSpec; upTo?: number }
  /** Ends that command: SIGTERM for its first process, then SIGKILL for all that it has started. */
  | { type: 'endExec'; id: string; exec: string }

/** A message of the launcher to the daemon: a line of JSON on its stdout. */
export type FromLauncher =
  | { type: 'ready'; runtime: string }
  /** The launcher cannot work here, and ends. */
  | { type: 'unusable'; error: WireError }
  | { type: 'started'; id: string; pid: number; notes: string[] }
  /** The container did not start; no process and no other trace of it is left. */
  | { type: 'failed'; id: string; error: WireError }
  | ({ type: 'exited'; id: string } & ContainerExit)
  | ({ type: 'execEnded'; exec: string } & ExecExit)
  | { type: 'execFailed'; exec: string; error: WireError }
  /** A log has come to the offset up to which it may be written. */
  | { type: 'held'; id: string; exec?: string }
  /** Output cannot be written. */
  | { type: 'logFailed'; id: string; exec?: string; code?: string; reason: string }
  /** The pipe of an input has been opened; the process may not exist yet. */
  | { type: 'inputOpened'; path: string }
  /** Something went wrong that nobody waits for. */
  | { type: 'problem'; what: string; reason: string }

/** Calls `receive` for each line of JSON. Messages are not validated: both ends are our own. */
export function onJsonLines<Message>(input: Readable, receive: (message: Message) => void): void {
  let pieces: Buffer[] = []
  input.on('data', (chunk: Buffer) => {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      pieces.push(chunk.subarray(start, end))
      const line = Buffer.concat(pieces).toString()
      pieces = []
      start = end + 1
      receive(JSON.parse(line) as Message)
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start))
  })
}

export function jsonLine(message: ToLauncher | FromLauncher): string {
  return `${JSON.stringify(message)}\n`
}

import type { Readable } from 'node:stream'
import type { WireError } from '../../../errors/index.ts'
import type { ContainerSpec, ExecExit, ExecSpec, Exit } from '../../runtime.ts'

/** What the daemon tells the launcher: one JSON object a line on its stdin, whose end means that the daemon is gone. */
export type ToLauncher =
  | { type: 'start'; spec: ContainerSpec }
  | { type: 'signal'; id: string; name: string }
  /** Ends a container that may not have started yet. */
  | { type: 'kill'; id: string }
  /** Runs a command in a container; `exec` is unique. */
  | { type: 'exec'; id: string; exec: string; spec: ExecSpec }
  | { type: 'killExec'; id: string; exec: string }

/** What the launcher tells the daemon, the same way on its stdout. */
export type FromLauncher =
  | { type: 'ready'; runtime: string }
  /** It cannot work here, and ends. */
  | { type: 'unusable'; error: WireError }
  | { type: 'started'; id: string; pid: number; notes: string[] }
  /** No process of the container exists, nor any trace of it. */
  | { type: 'failed'; id: string; error: WireError }
  | ({ type: 'exited'; id: string } & Exit)
  | ({ type: 'execEnded'; exec: string } & ExecExit)
  | { type: 'execFailed'; exec: string; error: WireError }
  /** Something that nobody waits for went wrong. */
  | { type: 'problem'; what: string; reason: string }

/** Calls back for each line of JSON; the messages of both directions are trusted, being our own. */
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

import { createReadStream, openSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { digestDirectory, type PartOutput, type ResultEvent } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { runTool, toolError } from '../../system-tool/index.ts'
import type { Caller } from '../caller.ts'
import type { EngineContext } from '../context.ts'
import { partOf } from '../files/filesystem.ts'
import type { PlannedFile, PlannedFilesystem } from '../plan/planned.ts'
import { outputWaiter } from '../registry/wait-graph.ts'
import { Releases } from '../release.ts'

/** The most that one event carries, in bytes. */
const pieceSize = 256 * 1024

export interface PartOutputRequest {
  part: PlannedFilesystem | PlannedFile
  output: PartOutput
  /** The most bytes that the caller wants; for `contents`. */
  limit?: number | undefined
  network: string
  caller: Caller
}

/**
 * Sends an output of a file or a directory, in pieces as fast as the caller reads them. The execs that make it are run
 * if they have to be.
 *
 * @throws MoorageError INVALID_REQUEST, PATH_NOT_FOUND, PATH_UNSUITABLE, FILE_TOO_LARGE, and what making it throws
 */
export async function outputOfPart(context: EngineContext, request: PartOutputRequest): Promise<ResultEvent> {
  const { part, output, limit, network, caller } = request
  const kind = part.kind === 'file' ? 'file' : 'directory'
  if (!outputs[kind].includes(output)) {
    throw new MoorageError('INVALID_REQUEST', { reason: `a ${kind} has no output "${output}"` })
  }
  const releases = new Releases()
  try {
    using found = await partOf(context, part, { network, waiter: outputWaiter(network), caller, releases })
    if (output === 'contents' && limit !== undefined && found.stat.size > limit) {
      throw new MoorageError('FILE_TOO_LARGE', { size: found.stat.size, limit })
    }
    const permissions = found.stat.mode & 0o777
    const value = await answers[output](found, caller)
    return { type: 'result', value: value ?? part.digest, exitCode: 0, permissions }
  } finally {
    context.background('let go of the layers of an output', releases.run())
  }
}

const outputs: Readonly<Record<'file' | 'directory', readonly PartOutput[]>> = {
  file: ['size', 'contents', 'sync'],
  directory: ['entries', 'tar', 'contentDigest', 'sync'],
}

type Part = Awaited<ReturnType<typeof partOf>>

const answers: Record<PartOutput, (part: Part, caller: Caller) => Promise<string | number | undefined>> = {
  sync: async () => undefined,
  size: async ({ stat }) => stat.size,
  async contents({ path }, caller) {
    // Known to be a regular file: only now is it opened.
    const stream = createReadStream('', { fd: openSync(path, 'r'), highWaterMark: pieceSize })
    for await (const chunk of stream) await send(caller, chunk as Buffer)
    return undefined
  },
  async entries({ path }, caller) {
    const names = (await readdir(path, { encoding: 'buffer' })).sort(Buffer.compare)
    const ends = Buffer.from([0])
    let piece: Buffer[] = []
    let length = 0
    for (const name of names) {
      piece.push(name, ends)
      length += name.length + 1
      if (length < pieceSize) continue
      await send(caller, Buffer.concat(piece))
      piece = []
      length = 0
    }
    if (length > 0) await send(caller, Buffer.concat(piece))
    return undefined
  },
  async tar({ path }, caller) {
    const result = await runTool('tar', tarArguments, {
      cwd: path,
      signal: caller.signal,
      input: { command: 'find', args: findArguments, cwd: path },
      onOutput: (piece) => send(caller, piece),
    })
    if (result.code !== 0) throw toolError('tar', result)
    return undefined
  },
  contentDigest: async ({ path }) => (await digestDirectory(path, {}, { whatever: true })).rooted,
}

/** Finds directories, files and links: devices, pipes and sockets are of no use outside of a container. */
const findArguments = [
  '.',
  '-mindepth',
  '1',
  '(',
  ...['-type', 'd', '-o', '-type', 'f', '-o', '-type', 'l'],
  ')',
  '-print0',
]

/** Drops set-user-id bits: they are meant for users of the container, and would count for others outside. */
const tarArguments = [
  ...['--create', '--file=-', '--no-recursion', '--null', '--numeric-owner', '--sparse', '--mode=u-s,g-s'],
  '--files-from=-',
]

async function send(caller: Caller, data: Buffer): Promise<void> {
  if (caller.onData) await caller.onData(data)
  else caller.onEvent({ type: 'data', data: data.toString('base64') })
  caller.signal.throwIfAborted()
}

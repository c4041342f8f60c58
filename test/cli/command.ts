import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { removeTree } from '../remove-tree.ts'

export interface Outcome {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface CommandOptions {
  env?: Record<string, string>
  stdin?: string | Buffer
}

/** Compiled sources: the CLI is started so often here that compiling them each time would take most of the time. */
const compileCache = mkdtempSync(join(tmpdir(), 'moorage-cli-cache-'))
process.once('exit', () => removeTree(compileCache))

const entry = join(import.meta.dirname, '../../src/cli/main.ts')

/** Starts the CLI as a process, without the settings of this process. */
export function startCommand(args: readonly string[], { env = {}, stdin = '' }: CommandOptions = {}) {
  const { MOORAGE_HOST, MOORAGE_NETWORK, FORCE_COLOR, NO_COLOR, ...rest } = process.env
  const child: ChildProcess = spawn(process.execPath, [entry, ...args], {
    env: { ...rest, NODE_COMPILE_CACHE: compileCache, MOORAGE_RUNTIME_DIR: '/nonexistent', ...env },
  })
  child.stdin?.on('error', () => undefined)
  child.stdin?.end(stdin)
  const exited = once(child, 'exit') as Promise<[code: number | null, signal: NodeJS.Signals | null]>
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('no pipes')
  const outcome = (async (): Promise<Outcome> => {
    const [[code, signal], out, err] = await Promise.all([exited, text(stdout), text(stderr)])
    return { code, signal, stdout: out, stderr: err }
  })()
  // A test that closes a pipe early does not ask for its contents.
  outcome.catch(() => undefined)
  return { child, exited, outcome }
}

export function runCommand(args: readonly string[], options?: CommandOptions): Promise<Outcome> {
  return startCommand(args, options).outcome
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import type { Command } from 'commander'
import { MoorageError } from '../../errors/index.ts'
import { packageFile } from '../../package.ts'
import { action, type CommandContext } from '../command-action.ts'

/** `moorage setup`: `scripts/setup-host` of this package. */
export function configure(command: Command): void {
  command
    .argument('[ARGS...]', 'passed on to scripts/setup-host')
    .passThroughOptions()
    .action(action(setup, { ownSignals: true }))
}

/** Runs the script to its end. It shares this process's terminal, so Ctrl-C reaches it by itself. */
async function setup({ terminal }: CommandContext, [args]: readonly [string[]]): Promise<number> {
  const script = packageFile('scripts/setup-host')
  // With --json nothing but the document goes to stdout.
  const child = spawn(script, args, { stdio: ['inherit', terminal.json ? 2 : 'inherit', 'inherit'] })
  const forward = (signal: NodeJS.Signals) => child.kill(signal)
  process.on('SIGTERM', forward)
  process.on('SIGINT', () => undefined)
  const [code, signal] = (await once(child, 'exit').catch((error: Error) => {
    throw new MoorageError('RUNTIME_MISSING', { what: script }, { cause: error })
  })) as [number | null, NodeJS.Signals | null]
  const exitCode = code ?? 128 + constants.signals[signal ?? 'SIGKILL']
  if (terminal.json) await terminal.document({ done: exitCode === 0, exitCode })
  return exitCode
}

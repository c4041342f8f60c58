import type { Command } from 'commander'
import type { ExecRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { documentPrinter, rawPrinter } from '../printing/log-printer.ts'
import { lostOutput } from '../printing/lost-output.ts'
import { standardInput } from '../standard-streams.ts'

interface ExecFlags {
  interactive?: boolean
  tty?: boolean
}

/** `moorage exec`: a command in a service or a run that goes on; its exit code is passed through. */
export function configure(command: Command): void {
  command
    .argument('<ID>', 'ID, name, hostname or a unique prefix of the ID')
    .argument('<ARGS...>', 'the command')
    .passThroughOptions()
    .option('-i, --interactive', 'pass stdin on, as it comes')
    .option('-t, --tty', 'not in this version')
    .action(action(exec, { exitCodeOf }))
}

async function exec(
  { global, terminal }: CommandContext,
  [id, args]: readonly [string, string[]],
  flags: ExecFlags,
): Promise<number> {
  if (flags.tty) throw new MoorageError('NOT_YET', { what: 'a terminal in the container (-t)' })
  const body: ExecRequest = { args }
  const daemon = daemonApi(global)
  const printer = terminal.json ? documentPrinter(terminal) : rawPrinter()
  const path = `services/${encodeURIComponent(id)}/exec`
  for await (const event of daemon.output(path, {
    method: 'POST',
    body,
    query: { network: global.network },
    input: flags.interactive ? standardInput() : undefined,
  })) {
    if (event.type === 'output') await printer.write(event)
    else if (event.type === 'gap') throw lostOutput(event.missing, args)
    else if (event.type === 'result') {
      await printer.end()
      const { exitCode } = event
      if (terminal.json) await terminal.document({ type: 'result', exitCode }, { line: true })
      return exitCode
    }
  }
  throw new MoorageError('DAEMON_UNREACHABLE', {
    host: daemon.host,
    reason: 'it went away during the command',
  })
}

/** Returns 125, like `docker exec`, for a failure of ours rather than the command's; 3 for a service that was not found. */
function exitCodeOf({ exitStatus }: MoorageError): number {
  return [2, 3, 126, 127, 130].includes(exitStatus) ? exitStatus : 125
}

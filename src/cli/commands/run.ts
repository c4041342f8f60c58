import type { Command } from 'commander'
import { type EvaluateRequest, portForwardText } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { action, type CommandContext } from '../command-action.ts'
import { withDaemon } from '../daemon-api.ts'
import { collect } from '../options/collect.ts'
import { definitionOf } from '../options/container-definition.ts'
import { addContainerOptions, type ContainerFlags, readContainer } from '../options/container-options.ts'
import { age } from '../printing/duration-text.ts'
import { lostOutput } from '../printing/lost-output.ts'
import { openProgressView } from '../progress/open-view.ts'
import { standardInput } from '../standard-streams.ts'

interface RunFlags extends ContainerFlags {
  interactive?: boolean
  tty?: boolean
  cached?: boolean
}

/** `moorage run`: one container, with the services that it is bound to. */
export function configure(command: Command): void {
  addContainerOptions(command)
    .option('--expose <ALIAS:PORT>', 'a port of that service, waited for before the container runs', collect)
    .option('-i, --interactive', 'pass stdin on, as it comes; with --cached, read it to its end first')
    .option('-t, --tty', 'not in this version')
    .option('--cached', 'accept the result of an equal run')
    .action(action(run, { exitCodeOf }))
}

async function run(
  context: CommandContext,
  [image, args]: readonly [string, string[]],
  flags: RunFlags,
): Promise<number> {
  const { global, terminal } = context
  if (flags.tty) throw new MoorageError('NOT_YET', { what: 'a terminal in the container (-t)' })
  const container = readContainer(image, args, flags)
  if (container.ports.length > 0) {
    throw new MoorageError('INVALID_OPTION', { option: '--expose', reason: 'run needs ALIAS:PORT' })
  }
  // A result that may be shared is that of a definition, to which all of the input belongs.
  const stdin = flags.interactive && flags.cached ? await readStdin() : undefined
  const input = flags.interactive && !flags.cached ? standardInput() : undefined
  const body: EvaluateRequest = {
    definition: definitionOf(container, {
      expect: 'any',
      ...withoutUndefined({ stdin, noCache: flags.cached ? undefined : true }),
    }),
    output: 'exitCode',
    logs: true,
    ...(flags.cached ? {} : { own: true }),
    ...(container.publish.length === 0 ? {} : { publish: [...container.publish] }),
    ...withoutUndefined({ network: global.network }),
  }
  return withDaemon(global, async (daemon) => {
    const view = await openProgressView(terminal)
    await using _view = { [Symbol.asyncDispose]: () => view.end({ failed: true }) }
    for await (const event of daemon.output('evaluate', { method: 'POST', body, input })) {
      if (event.type === 'output') await view.output(event)
      else if (event.type === 'gap') throw lostOutput(event.missing, [image, ...args])
      else if (event.type === 'ports') {
        if (terminal.json) await terminal.document(event, { line: true })
        else for (const port of event.ports) view.note(portForwardText(port))
      } else if (event.type === 'progress') await view.event(event)
      else if (event.type === 'result') {
        await view.end({ failed: false })
        const { exitCode, cachedAge } = event
        if (terminal.json) await terminal.document({ type: 'result', exitCode, cachedAge }, { line: true })
        else if (cachedAge !== undefined) terminal.talk(`moorage: the result of a run ${age(cachedAge)} ago`)
        return exitCode
      }
    }
    throw new MoorageError('DAEMON_UNREACHABLE', { host: daemon.host, reason: 'it went away during the run' })
  })
}

/** The most bytes of standard input that a definition takes. */
const longestStdin = 16 * 1024 * 1024

/**
 * Reads all of stdin. A definition is text, so input that is not UTF-8 is refused rather than changed.
 *
 * @throws MoorageError INVALID_OPTION
 */
async function readStdin(): Promise<string> {
  const refused = (reason: string, cause?: unknown) =>
    new MoorageError('INVALID_OPTION', { option: '-i --cached', reason }, { cause })
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of process.stdin) {
    pieces.push(piece)
    size += piece.length
    if (size > longestStdin) throw refused('standard input is above 16 MiB; without --cached it has no limit')
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(pieces))
  } catch (error) {
    throw refused('standard input is not UTF-8; without --cached it may be any bytes', error)
  }
}

/** Returns 125, like `docker run`, for a failure of ours rather than the container's; 2 for a mistake in the command line. */
function exitCodeOf({ exitStatus }: MoorageError): number {
  return [2, 126, 127, 130].includes(exitStatus) ? exitStatus : 125
}

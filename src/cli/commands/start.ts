import type { Command } from 'commander'
import { labelProblem, milliseconds, portForwardText, type StartRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { action, type CommandContext } from '../command-action.ts'
import { withDaemon } from '../daemon-api.ts'
import { collect } from '../options/collect.ts'
import { definitionOf, serviceOptions } from '../options/container-definition.ts'
import { addContainerOptions, type ContainerFlags, readContainer } from '../options/container-options.ts'
import { openProgressView } from '../progress/open-view.ts'

interface StartFlags extends ContainerFlags {
  hostname?: string
  for?: string
}

/** `moorage start`: a service that stays until somebody stops it. */
export function configure(command: Command): void {
  addContainerOptions(command)
    .option(
      '--expose <[ALIAS:]PORT>',
      'a port of it, or of a service it is bound to, that is waited for',
      collect,
    )
    .option('--hostname <NAME>', 'a name of its own in the network, besides the one of its digest')
    .option('--for <DURATION>', 'how long it stays, then its grace; until it is stopped, unless said')
    .action(action(start))
}

async function start(
  { global, terminal }: CommandContext,
  [image, args]: readonly [string, string[]],
  flags: StartFlags,
): Promise<void> {
  const container = readContainer(image, args, flags)
  const { hostname } = flags
  const problem = hostname === undefined ? undefined : labelProblem(hostname)
  if (problem !== undefined) {
    throw new MoorageError('INVALID_OPTION', { option: `--hostname ${hostname}`, reason: problem })
  }
  const body: StartRequest = {
    definition: definitionOf(container, withoutUndefined({ hostname: flags.hostname })),
    service: serviceOptions(container.ports, container.startTimeout),
    detach: true,
    ...(container.publish.length === 0 ? {} : { publish: [...container.publish] }),
    ...withoutUndefined({
      for: flags.for === undefined ? undefined : milliseconds(flags.for, '--for'),
      network: global.network,
    }),
  }
  await withDaemon(global, async (daemon) => {
    const view = await openProgressView(terminal)
    await using _view = { [Symbol.asyncDispose]: () => view.end({ failed: true }) }
    for await (const event of daemon.follow('services', { method: 'POST', body })) {
      // With --json the answer is one document, the service.
      if (event.type === 'progress' && !terminal.json) await view.event(event)
      if (event.type !== 'result') continue
      await view.end({ failed: false })
      const { service, value, ports } = event
      if (terminal.json) await terminal.document({ service, ports })
      else
        await terminal.print(
          terminal.quiet || !service ? String(value) : `${service.id}  ${service.hostname}`,
        )
      if (!terminal.json) for (const port of ports ?? []) terminal.talk(`moorage: ${portForwardText(port)}`)
      return
    }
    throw new MoorageError('DAEMON_UNREACHABLE', {
      host: daemon.host,
      reason: 'it went away during the start',
    })
  })
}

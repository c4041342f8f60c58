import type { Command } from 'commander'
import { milliseconds, portForwardText, type StartRequest } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { withDaemon } from '../daemon-api.ts'
import { definitionOf, serviceOptions } from '../options/container-definition.ts'
import {
  addContainerOptions,
  type ContainerFlags,
  collect,
  readContainer,
} from '../options/container-options.ts'
import { progressView } from '../progress/open-view.ts'

interface StartFlags extends ContainerFlags {
  hostname?: string
  for?: string
}

/** `moorage start`: a service that stays until somebody stops it. */
export function configure(command: Command): void {
  addContainerOptions(command)
    .argument('IMAGE', 'such as docker.io/library/redis:7')
    .argument('[ARGS...]', 'what to run, after the image’s entrypoint; the image’s own command if none')
    .usage('[options] IMAGE [ARGS...]')
    .passThroughOptions()
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
  const body: StartRequest = {
    definition: definitionOf(container, flags.hostname === undefined ? {} : { hostname: flags.hostname }),
    service: serviceOptions(container.ports, container.startTimeout),
    detach: true,
    ...(container.publish.length === 0 ? {} : { publish: [...container.publish] }),
    ...(flags.for === undefined ? {} : { for: milliseconds(flags.for, '--for') }),
    ...(global.network === undefined ? {} : { network: global.network }),
  }
  await withDaemon(global, async (daemon) => {
    const view = await progressView(terminal)
    await using _view = { [Symbol.asyncDispose]: () => view.end({ failed: true }) }
    for await (const event of daemon.follow('services', { method: 'POST', body })) {
      // Its JSON is one document: the service.
      if (event.type === 'progress' && !terminal.json) view.event(event)
      if (event.type !== 'result') continue
      await view.end({ failed: false })
      const { service, value, ports } = event
      if (terminal.json) terminal.document({ service, ports })
      else terminal.print(terminal.quiet || !service ? String(value) : `${service.id}  ${service.hostname}`)
      if (!terminal.json) for (const port of ports ?? []) terminal.talk(`moorage: ${portForwardText(port)}`)
      return
    }
    throw new MoorageError('DAEMON_UNREACHABLE', {
      host: daemon.host,
      reason: 'it went away during the start',
    })
  })
}

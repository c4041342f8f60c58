import type { Command } from 'commander'
import { aliasProblem, milliseconds } from '../../definition/index.ts'
import { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { collect } from './collect.ts'
import type { ContainerDescription, ServiceDescription } from './container-definition.ts'
import { portForwardOf } from './port-forwards.ts'
import { checkVariableBytes } from './raw-text.ts'
import { splitWords } from './split-words.ts'

/** The options that describe a container, as commander reads them. */
export interface ContainerFlags {
  bind?: string[]
  bindExec?: string[]
  bindEnv?: string[]
  expose?: string[]
  startTimeout?: string
  env?: string[]
  volume?: string[]
  publish?: string[]
}

/** Adds the arguments and options that `run` and `start` share. */
export function addContainerOptions(command: Command): Command {
  return command
    .argument('IMAGE', 'such as docker.io/library/redis:7')
    .argument('[ARGS...]', 'what to run, after the image’s entrypoint; the image’s own command if none')
    .usage('[options] IMAGE [ARGS...]')
    .passThroughOptions()
    .option('--bind <ALIAS=IMAGE>', 'a service that the container reaches as ALIAS (repeatable)', collect)
    .option('--bind-exec <ALIAS=COMMAND>', 'what that service runs, split as a shell does', collect)
    .option('--bind-env <ALIAS:K=V>', 'a variable of that service', collect)
    .option('--start-timeout <DURATION>', 'how long services may take to be healthy')
    .option('-e, --env <K=V>', 'a variable; K alone takes it from here', collect)
    .option('-v, --volume <VOLUME:/PATH>', 'a cache volume, shared with everybody who uses it', collect)
    .option(
      '-p, --publish <HOST:PORT>',
      'a port of this host, at 127.0.0.1, that leads to one of the container; 0 is any',
      collect,
    )
}

/**
 * Returns the container that the options describe. `--expose PORT` without an alias belongs to the container itself.
 *
 * @throws MoorageError INVALID_OPTION, ALIAS_TWICE, NOT_YET
 */
export function readContainer(
  image: string,
  args: readonly string[],
  flags: ContainerFlags,
  environment: NodeJS.ProcessEnv = process.env,
): ContainerDescription {
  if (image.trim() === '')
    throw new MoorageError('INVALID_OPTION', { option: 'IMAGE', reason: `the image is empty: "${image}"` })
  const services = boundServices(flags)
  const ports: ContainerDescription['ports'] = []
  for (const text of flags.expose ?? []) {
    const match = /^(?:(.+):)?(\d+)(?:\/(tcp|udp))?$/.exec(text)
    const port = Number(match?.[2])
    if (match === null || port < 1 || port > 65_535)
      throw invalid('--expose', text, 'ALIAS:PORT, such as db:5432')
    const exposed = { port, protocol: match[3] === 'udp' ? ('udp' as const) : ('tcp' as const) }
    if (match[1] === undefined) ports.push(exposed)
    else serviceOf(services, match[1], '--expose').ports.push(exposed)
  }
  const startTimeout =
    flags.startTimeout === undefined ? undefined : milliseconds(flags.startTimeout, '--start-timeout')
  return {
    image,
    args,
    services,
    ports,
    env: (flags.env ?? []).flatMap((text) => variable('-e', text, environment)),
    volumes: (flags.volume ?? []).map(volume),
    publish: (flags.publish ?? []).map(portForwardOf),
    ...withoutUndefined({ startTimeout }),
  }
}

function boundServices(flags: ContainerFlags): ServiceDescription[] {
  const services: ServiceDescription[] = []
  for (const text of flags.bind ?? []) {
    const [alias, image] = splitAt('--bind', text, '=', 'ALIAS=IMAGE')
    const reason = aliasProblem(alias)
    if (reason !== undefined) throw new MoorageError('INVALID_ALIAS', { alias, reason })
    if (services.some((service) => service.alias === alias)) throw new MoorageError('ALIAS_TWICE', { alias })
    services.push({ alias, image, args: [], env: [], ports: [] })
  }
  for (const text of flags.bindExec ?? []) {
    const [alias, line] = splitAt('--bind-exec', text, '=', "ALIAS='COMMAND'")
    serviceOf(services, alias, '--bind-exec').args = splitWords(`--bind-exec ${alias}`, line)
  }
  for (const text of flags.bindEnv ?? []) {
    const [alias, assignment] = splitAt('--bind-env', text, ':', 'ALIAS:K=V')
    serviceOf(services, alias, '--bind-env').env.push(...variable('--bind-env', assignment, {}))
  }
  return services
}

function serviceOf(
  services: readonly ServiceDescription[],
  alias: string,
  option: string,
): ServiceDescription {
  const service = services.find((candidate) => candidate.alias === alias)
  if (service) return service
  throw new MoorageError('INVALID_OPTION', { option, reason: `no --bind gives the alias "${alias}"` })
}

/** Reads a variable. As with Docker, `K` alone takes the caller's own value, and is left out if the caller has none. */
function variable(option: string, text: string, environment: NodeJS.ProcessEnv): [string, string][] {
  const equals = text.indexOf('=')
  if (equals === 0 || text === '') throw invalid(option, text, 'K=V')
  if (equals > 0) return [[text.slice(0, equals), text.slice(equals + 1)]]
  const value = environment[text]
  if (value === undefined) return []
  checkVariableBytes(option, text, value)
  return [[text, value]]
}

function volume(text: string): { name: string; path: string } {
  const [name, path] = splitAt('-v', text, ':', 'VOLUME:/path')
  if (/^[./~]/.test(name)) {
    throw new MoorageError('INVALID_OPTION', {
      option: `-v ${text}`,
      reason: 'a cache volume has a name; directories of the host are not mounted',
    })
  }
  if (!path.startsWith('/') || path.includes(':')) throw invalid('-v', text, 'VOLUME:/path')
  return { name, path }
}

function splitAt(option: string, text: string, separator: string, form: string): [string, string] {
  const at = text.indexOf(separator)
  if (at <= 0 || at === text.length - 1) throw invalid(option, text, form)
  return [text.slice(0, at), text.slice(at + 1)]
}

function invalid(option: string, text: string, form: string): MoorageError {
  return new MoorageError('INVALID_OPTION', { option, reason: `"${text}" is not ${form}` })
}

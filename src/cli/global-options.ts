import { type Command, Option } from 'commander'

/** The options that every command takes. */
export interface GlobalOptions {
  host?: string
  network?: string
  json?: boolean
  quiet?: boolean
  verbose?: boolean
  color?: boolean
}

const globalFlags = [
  ['--host <URL>', 'the daemon, unix:///path or http://host:port (MOORAGE_HOST)'],
  ['--network <NAME>', 'the network that names belong to (MOORAGE_NETWORK)'],
  ['--json', 'answer with a JSON document; with lines of JSON when following'],
  ['-q, --quiet', 'nothing on stderr but errors; only IDs where rows are listed'],
  ['--verbose', 'tell more on stderr'],
  ['--no-color', 'no colours (NO_COLOR)'],
] as const

/** Adds the global options to a command; on the program itself they may stand before the command's name. */
export function addGlobalOptions(command: Command): Command {
  for (const [flags, description] of globalFlags) {
    command.addOption(new Option(flags, description).helpGroup('Options of every command:'))
  }
  return command
}

/**
 * Returns the global options that apply to a command: its own win over those before its name, and these over the
 * environment.
 */
export function globalOptionsOf(command: Command): GlobalOptions {
  const merged: GlobalOptions = {}
  let color = true
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const { host, network, json, quiet, verbose, ...otherOptions } = at.opts<GlobalOptions>()
    const named = { host, network, json, quiet, verbose }
    for (const [name, value] of Object.entries(named)) {
      if (value !== undefined && !(name in merged)) Object.assign(merged, { [name]: value })
    }
    color &&= otherOptions.color !== false
  }
  const { MOORAGE_HOST, MOORAGE_NETWORK } = process.env
  if (merged.host === undefined && MOORAGE_HOST) merged.host = MOORAGE_HOST
  if (merged.network === undefined && MOORAGE_NETWORK) merged.network = MOORAGE_NETWORK
  return { ...merged, color }
}

/** Tells whether a row belongs to the network that the options name; without `--network` every row does. */
export function isInNetwork({ network }: GlobalOptions, row: { network: string }): boolean {
  return network === undefined || row.network === network
}

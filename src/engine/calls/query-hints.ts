import type { ZoneRow } from '../../definition/index.ts'

/** A query to which the answer was that there is no such name. */
export interface MissedQuery {
  readonly name: string
  readonly network: string
  /** The client whose view was used; `undefined` for none. */
  readonly client: { readonly id: string; readonly address: string } | undefined
}

/** More aliases and clients are only counted. */
const mostListed = 10

/**
 * Says why a name was not found, as far as that can be seen from what the networks hold.
 * @param records those of all networks
 * @param idOf finds the ID of the run that has an address in a network
 */
export function queryHints(
  { name, network, client }: MissedQuery,
  records: readonly ZoneRow[],
  idOf: (address: string, network: string) => string,
): string[] {
  const wanted = name.toLowerCase().replace(/\.$/, '')
  const isWanted = (record: ZoneRow) => record.name === wanted || shortName(record) === wanted
  const here = records.filter((record) => record.network === network)
  // A client has a view for each of its addresses; the first is always IPv4.
  const aliases = here.filter(({ view }) => view !== 'zone' && !view.includes(':'))
  const own = client === undefined ? [] : aliases.filter(({ view }) => view === client.address)
  const hints: string[] = []

  const ownAlias = own.find((record) => record.name === wanted)
  if (ownAlias !== undefined) hints.push(`${wanted} stands for ${ownAlias.value}, which is not running`)
  const owners = unique(
    aliases.filter((record) => record.name === wanted).map(({ view }) => idOf(view, network)),
  )
  if (ownAlias === undefined && owners.length > 0) {
    hints.push(`${wanted} is an alias of ${listed(owners)}: ask --as ${owners[0]}`)
  }
  const label = wanted.slice(wanted.lastIndexOf('.') + 1)
  if (label !== wanted && own.some((record) => record.name === label)) {
    hints.push(`${label} is an alias of ${client?.id}: below it there is only what is bound`)
  }
  if (client !== undefined && here.some((record) => record.view === 'zone' && isWanted(record))) {
    hints.push(`${client.id} is not bound to ${wanted}, and the network ${network} is isolated by bindings`)
  }
  if (client !== undefined && ownAlias === undefined) {
    const names = unique(own.map((record) => record.name))
    hints.push(names.length === 0 ? `${client.id} has no aliases` : `${client.id} has: ${listed(names)}`)
  }
  const elsewhere = records.filter((record) => record.network !== network && isWanted(record))
  for (const other of unique(elsewhere.map((record) => record.network))) {
    const views = elsewhere.filter(
      (record) => record.network === other && record.view !== 'zone' && !record.view.includes(':'),
    )
    const inZone = elsewhere.some((record) => record.network === other && record.view === 'zone')
    const asker = inZone || views[0] === undefined ? '' : ` --as ${idOf(views[0].view, other)}`
    hints.push(`that is in the network ${other}: ask --network ${other}${asker}`)
  }
  return hints
}

/** The first label of a name of the zone, by which it can be asked for too. */
function shortName({ name, view }: ZoneRow): string | undefined {
  return view === 'zone' ? name.slice(0, name.indexOf('.')) : undefined
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}

function listed(texts: readonly string[]): string {
  const more = texts.length - mostListed
  return `${texts.slice(0, mostListed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { age, timeLeft } from '../printing/duration-text.ts'
import { type Cell, table } from '../printing/table.ts'
import type { Style, Terminal } from '../terminal.ts'
import { holderText } from './event-words.ts'

const heading = ['NAME', 'ID', 'STATE', 'HEALTH', 'CLIENTS', 'ADDRESS', 'PORTS', 'AGE']

/** While all rows are of this network, there is no column for it. */
const defaultNetwork = 'default'

/** More clients than this are counted, not named. */
const namedClients = 2

/** Returns the lines of a table of services, and below them of runs, as `status` and `ps` show them. */
export function serviceTable(
  services: readonly ServiceRow[],
  runs: readonly RunRow[],
  terminal: Terminal,
  now: number,
): string[] {
  const rows = [
    ...services.map((service) => serviceCells(service, now)),
    ...runs.map((run) => runCells(run, now)),
  ]
  const networks = [...services, ...runs].map(({ network }) => network)
  if (networks.every((network) => network === defaultNetwork)) return table(heading, rows, terminal)
  // Two services of one name in two networks must not look alike.
  const withNetwork = rows.map(([name = '', ...cells], index) => [name, networks[index] ?? '', ...cells])
  return table(['NAME', 'NETWORK', ...heading.slice(1)], withNetwork, terminal)
}

/** Tells whether a service runs, is about to, or is about to end. */
export function isLive({ state }: Pick<ServiceRow, 'state'>): boolean {
  return state !== 'stopped' && state !== 'failed'
}

function serviceCells(row: ServiceRow, now: number): Cell[] {
  return [
    row.name,
    row.id,
    stateCell(row, now),
    row.health,
    clientsOf(row.clients),
    row.address ?? '',
    row.ports.join(','),
    age(now - (row.startedAt ?? row.since)),
  ]
}

const styles: Partial<Record<ServiceRow['state'], Style>> = {
  pending: 'cyan',
  starting: 'cyan',
  ready: 'green',
  grace: 'yellow',
  stopping: 'yellow',
  failed: 'red',
}

function stateCell({ state, stopsAt, exitCode }: ServiceRow, now: number): Cell {
  let text: string = state
  if (state === 'grace' && stopsAt !== null) text = `stops in ${timeLeft(stopsAt, now)}`
  if (state === 'failed' && exitCode !== null) text = `failed (exit ${exitCode})`
  return { text, style: styles[state] ?? 'dim' }
}

function clientsOf(clients: readonly string[]): string {
  if (clients.length > namedClients) return String(clients.length)
  return clients.map(holderText).join(', ')
}

/** Returns the cells of a run. It has no name of its own; its program says best what it is. */
function runCells(row: RunRow, now: number): Cell[] {
  const program = row.args[0]?.split('/').at(-1) ?? ''
  const ended =
    row.exitCode === null || row.exitCode === 0 || row.state === 'cancelled'
      ? row.state
      : `${row.state} (exit ${row.exitCode})`
  return [
    program,
    row.id,
    { text: ended, style: row.state === 'failed' ? 'red' : 'dim' },
    '',
    row.callers === 0 ? '' : `${row.callers} waiting`,
    row.address ?? '',
    row.ports.join(','),
    age(now - row.startedAt),
  ]
}

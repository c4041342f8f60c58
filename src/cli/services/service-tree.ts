import type { RunRow, ServiceRow } from '../../definition/index.ts'
import { age } from '../printing/duration-text.ts'
import { printable } from '../terminal.ts'
import { holderOf } from './event-words.ts'
import { isLive } from './service-table.ts'

/**
 * Each live service, and below it who keeps it alive; of a service that does, who keeps that alive, and so on.
 *
 * @returns lines
 */
export function serviceTree(services: readonly ServiceRow[], runs: readonly RunRow[], now: number): string[] {
  const live = services.filter(isLive)
  const lines: string[] = []
  const below = (row: ServiceRow, indent: string, path: readonly string[]) => {
    const holders = row.clients.length > 0 ? row.clients : [nobody(row, now)]
    holders.forEach((holder, index) => {
      const last = index === holders.length - 1
      const service = live.find(
        ({ label, network }) => network === row.network && holder === `service ${label}`,
      )
      const again = service !== undefined && path.includes(service.label)
      lines.push(
        `${indent}${last ? '└─' : '├─'} ${printable(wordsOf(holder, row, service))}${again ? ' …' : ''}`,
      )
      if (service && !again) below(service, `${indent}${last ? '   ' : '│  '}`, [...path, service.label])
    })
  }
  const wordsOf = (holder: string, { network }: ServiceRow, service: ServiceRow | undefined): string => {
    if (service) return `${service.name} (${holderOf(holder)})`
    const run = runs.find(
      (one) => one.network === network && holder === `run ${one.label}` && one.state === 'running',
    )
    return run
      ? `${holderOf(holder)}: ${run.args.join(' ')}, for ${age(now - run.startedAt)}`
      : holderOf(holder)
  }
  for (const row of live) {
    lines.push(printable(`${row.name} (${row.id}), ${row.state} for ${age(now - row.since)}`))
    below(row, '', [row.label])
  }
  return lines
}

function nobody({ state, stopsAt }: ServiceRow, now: number): string {
  if (state === 'grace' && stopsAt !== null) return `nobody: stops in ${age(stopsAt - now + 999)}`
  return 'nobody'
}

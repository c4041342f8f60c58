import type { Command } from 'commander'
import type { Explanation, ProgressEvent, RunRow, ServiceRow } from '../../definition/index.ts'
import { lastLine, MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import { action, type CommandContext } from '../command-action.ts'
import { type DaemonApi, daemonApi } from '../daemon-api.ts'
import { age } from '../printing/duration-text.ts'
import { causesOf } from '../services/causes.ts'
import { isLive } from '../services/service-table.ts'
import { printable } from '../terminal.ts'

/** Number of bytes at the end of a log in which the last line is looked for. */
const longestTail = 4_096

/** `moorage why`: the chain of causes of a service or a run. */
export function configure(command: Command): void {
  command.argument('ID', 'ID, name, hostname or a unique prefix of the ID; of a run too').action(action(why))
}

async function why({ global, terminal }: CommandContext, [id]: readonly [string]): Promise<void> {
  const daemon = daemonApi(global)
  const service = await findService(daemon, id, global.network)
  // The same one is meant by all questions, whatever ends meanwhile.
  const query = { network: service?.network ?? global.network }
  const [{ events: history }, { services }, { runs }] = await Promise.all([
    daemon.ask<{ events: ProgressEvent[] }>(`history/${encodeURIComponent(service?.label ?? id)}`, { query }),
    daemon.ask<{ services: ServiceRow[] }>('services'),
    daemon.ask<{ runs: RunRow[] }>('runs'),
  ])
  const label = history[0]?.id
  const run = runs.find(
    (row) => row.label === label && (query.network === undefined || row.network === query.network),
  )
  const namesakes = service === undefined ? [] : services.filter((other) => isNamesake(other, service))
  const now = Date.now()
  const causes = causesOf({
    ...withoutUndefined({ service, run }),
    history,
    namesakes: await Promise.all(
      namesakes.map(async (row) => ({
        row,
        difference:
          row.network === service?.network && service
            ? await daemon
                .ask<Explanation>('explain', {
                  query: { a: service.label, b: row.label, network: row.network },
                })
                .catch(() => undefined)
            : undefined,
      })),
    ),
    ...withoutUndefined({ lastWords: service && (await lastWordsOf(daemon, service)) }),
    now,
  })
  if (terminal.json) {
    await terminal.document({ id, causes: causes.map(([effect, cause]) => ({ effect, cause })) })
    return
  }
  const subject = service
    ? `${service.name} (${service.id}), a service in ${service.network}: ${service.state} for ${age(now - service.since)}${amongEnded(id, service, services)}`
    : `${label?.slice(0, 12) ?? id}, a run${run ? ` of ${run.args.join(' ')}` : ''}`
  await terminal.print(printable(subject))
  const width = Math.max(0, ...causes.map(([effect]) => effect.length))
  for (const [effect, cause] of causes) await terminal.print(`  ${effect.padEnd(width)}  ${printable(cause)}`)
}

/** Reads the last line that a failed service has written; undefined if there is none, or its log has gone. */
async function lastWordsOf(
  daemon: DaemonApi,
  { state, label, network }: ServiceRow,
): Promise<string | undefined> {
  if (state !== 'failed') return undefined
  let tail = Buffer.alloc(0)
  try {
    for await (const event of daemon.output(`services/${label}/logs`, { query: { network } }))
      if (event.type === 'output') tail = Buffer.concat([tail, event.data]).subarray(-longestTail)
  } catch (error) {
    if (error instanceof MoorageError) return undefined
    throw error
  }
  return lastLine(tail.toString())
}

async function findService(
  daemon: DaemonApi,
  id: string,
  network: string | undefined,
): Promise<ServiceRow | undefined> {
  try {
    const path = `services/${encodeURIComponent(id)}`
    return (await daemon.ask<{ service: ServiceRow }>(path, { query: { network } })).service
  } catch (error) {
    if (error instanceof MoorageError && error.code === 'SERVICE_NOT_FOUND') return undefined
    throw error
  }
}

/** Says that it was chosen, where a name belongs to several that have ended. */
function amongEnded(id: string, service: ServiceRow, services: readonly ServiceRow[]): string {
  if (isLive(service)) return ''
  const others = services.filter(
    ({ network, name, hostname, aliases }) =>
      network === service.network && [name, hostname, ...aliases].includes(id),
  )
  return others.length > 1 ? `; the newest of ${others.length} that were called ${id}` : ''
}

/** Tells whether another live service goes by one of its names, or is the same one in another network. */
function isNamesake(other: ServiceRow, { label, network, name, aliases }: ServiceRow): boolean {
  if (!isLive(other) || (other.label === label && other.network === network)) return false
  return (
    other.label === label ||
    [other.name, ...other.aliases].some((alias) => [name, ...aliases].includes(alias))
  )
}

import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import type { NetworkRow, Status } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonDoor } from '../daemon-api.ts'
import { age } from '../printing/duration-text.ts'
import { serviceTable } from '../services/service-table.ts'
import { printable, type Terminal } from '../terminal.ts'

/** How often `-w` looks, in milliseconds. */
const watchInterval = 1_000

const homeAndClear = '\x1b[H\x1b[J'

/** `moorage status`: what runs, who uses it, and what is wrong. */
export function configure(command: Command): void {
  command.option('-w, --watch', 'show it again every second, until interrupted').action(action(status))
}

async function status(
  { global, terminal }: CommandContext,
  _operands: readonly never[],
  { watch }: { watch?: boolean },
): Promise<number> {
  const daemon = daemonDoor(global)
  const look = async (): Promise<Status> => {
    const { apiVersion: _told, ...found } = await daemon.ask<Status>('status')
    return { ...found, ...ofNetwork(found, global.network) } as Status
  }
  if (!watch) {
    const found = await look()
    if (terminal.json) terminal.document(found)
    else for (const line of linesOf(found, terminal, Date.now())) terminal.print(line)
    return found.problems.length > 0 ? 1 : 0
  }
  for (let round = 0; ; round += 1) {
    const found = await look()
    if (terminal.json) terminal.document(found, { line: true })
    else {
      const text = linesOf(found, terminal, Date.now()).join('\n')
      if (process.stdout.isTTY) terminal.print(homeAndClear + text)
      else terminal.print(round === 0 ? text : `\n${text}`)
    }
    await setTimeout(watchInterval)
  }
}

function ofNetwork(
  { networks, services }: Pick<Status, 'networks' | 'services'>,
  network: string | undefined,
) {
  if (network === undefined) return {}
  return {
    networks: networks.filter(({ name }) => name === network),
    services: services.filter((row) => row.network === network),
  }
}

function linesOf(found: Status, terminal: Terminal, now: number): string[] {
  const { version, pid, startedAt, socket, runtime, stateDirectory, sessions, runs } = found
  const lines = [
    `Moorage ${version}, pid ${pid}, up ${age(now - startedAt)}, on ${socket}.`,
    `Runtime ${runtime}, state in ${stateDirectory}; ${counted(sessions, 'session')}, ${counted(runs, 'run')}.`,
    ...found.networks.map(networkLine),
  ]
  if (found.problems.length > 0) lines.push('', terminal.style('red', 'Problems:'))
  for (const { code, message, hint } of found.problems) {
    lines.push(`  ${code}: ${printable(message)}`, `    hint: ${printable(hint)}`)
  }
  const shown = found.services.filter(({ state }) => state !== 'stopped')
  const stopped = found.services.length - shown.length
  lines.push('', ...(shown.length === 0 ? ['No services.'] : serviceTable(shown, [], terminal, now)))
  if (stopped > 0) lines.push(`${stopped} stopped: moorage ps -a shows them.`)
  return lines
}

function networkLine({ name, subnet, gateway, hostRoute, sandboxes }: NetworkRow): string {
  const reached =
    hostRoute === 'yes' ? 'reached from the host' : `not reached from the host (${printable(hostRoute)})`
  return `Network ${name}: ${subnet}, gateway ${gateway}, ${counted(sandboxes, 'sandbox', 'sandboxes')}, ${reached}.`
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

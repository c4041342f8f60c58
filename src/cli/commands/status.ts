import { setTimeout } from 'node:timers/promises'
import type { Command } from 'commander'
import type { NetworkRow, Status } from '../../definition/index.ts'
import { action, type CommandContext } from '../command-action.ts'
import { daemonApi } from '../daemon-api.ts'
import { isInNetwork } from '../global-options.ts'
import { age } from '../printing/duration-text.ts'
import { serviceTable } from '../services/service-table.ts'
import { printable, type Terminal } from '../terminal.ts'

/** Polling interval of `-w`, in milliseconds. */
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
  const daemon = daemonApi(global)
  const ask = async (): Promise<Status> => {
    const status = await daemon.ask<Status>('status')
    return {
      ...status,
      networks: status.networks.filter(({ name }) => isInNetwork(global, { network: name })),
      services: status.services.filter((row) => isInNetwork(global, row)),
    }
  }
  if (!watch) {
    const report = await ask()
    if (terminal.json) await terminal.document(report)
    else for (const line of linesOf(report, terminal, Date.now())) await terminal.print(line)
    return report.problems.length > 0 ? 1 : 0
  }
  for (let round = 0; ; round += 1) {
    const report = await ask()
    if (terminal.json) await terminal.document(report, { line: true })
    else {
      const text = linesOf(report, terminal, Date.now()).join('\n')
      if (process.stdout.isTTY) await terminal.print(homeAndClear + text)
      else await terminal.print(round === 0 ? text : `\n${text}`)
    }
    await setTimeout(watchInterval)
  }
}

function linesOf(status: Status, terminal: Terminal, now: number): string[] {
  const { version, pid, startedAt, socket, runtime, stateDirectory, sessions, runs } = status
  const lines = [
    `Moorage ${version}, pid ${pid}, up ${age(now - startedAt)}, on ${socket}.`,
    `Runtime ${runtime}, state in ${stateDirectory}; ${counted(sessions, 'session')}, ${counted(runs, 'run')}.`,
    ...status.networks.map(networkLine),
  ]
  if (status.problems.length > 0) lines.push('', terminal.style('red', 'Problems:'))
  for (const { code, message, hint } of status.problems) {
    lines.push(`  ${code}: ${printable(message)}`, `    hint: ${printable(hint)}`)
  }
  const shown = status.services.filter(({ state }) => state !== 'stopped')
  const stopped = status.services.length - shown.length
  lines.push('', ...(shown.length === 0 ? ['No services.'] : serviceTable(shown, [], terminal, now)))
  if (stopped > 0) lines.push(`${stopped} stopped: moorage ps -a shows them.`)
  return lines
}

function networkLine({ name, subnet, gateway, hostRoute, sandboxes }: NetworkRow): string {
  const reached =
    hostRoute === 'yes' ? 'reached from the host' : `not reached from the host (${printable(hostRoute)})`
  return `Network ${name}: ${subnet}, gateway ${gateway}, ${counted(sandboxes, 'sandbox', 'sandboxes')}, ${reached}.`
}

function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`
}

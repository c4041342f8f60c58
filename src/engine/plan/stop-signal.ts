import { constants } from 'node:os'
import type { PlannedService } from './planned.ts'

/**
 * Returns the signal that stops a service: its own, else its image's STOPSIGNAL, which may be a number; undefined,
 * which means SIGTERM, if neither is set.
 */
export function stopSignalOf({ exec, options }: PlannedService): string | undefined {
  return options.stopSignal ?? nameOf(exec.root.config.stopSignal)
}

function nameOf(signal: string | undefined): string | undefined {
  if (signal === undefined) return undefined
  const name = /^\d+$/.test(signal)
    ? Object.entries(constants.signals).find(([, number]) => number === Number(signal))?.[0]
    : `SIG${signal.toUpperCase().replace(/^SIG/, '')}`
  return name !== undefined && Object.hasOwn(constants.signals, name) ? name : undefined
}

import { constants } from 'node:os'
import type { PlannedService } from './planned.ts'

/** What a service is stopped by: as it says, else its image's STOPSIGNAL, which may be a number; SIGTERM if neither. */
export function stopSignalOf({ exec, options }: PlannedService): string | undefined {
  return options.stopSignal ?? nameOf(exec.root.config.stopSignal)
}

function nameOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined
  const name = /^\d+$/.test(given)
    ? Object.entries(constants.signals).find(([, number]) => number === Number(given))?.[0]
    : `SIG${given.toUpperCase().replace(/^SIG/, '')}`
  return name !== undefined && Object.hasOwn(constants.signals, name) ? name : undefined
}

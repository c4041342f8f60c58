import { signalName, signalNumber, signalProblem } from '../../definition/index.ts'
import type { PlannedService } from './planned.ts'

/**
 * Returns the signal that stops a service: its own, else its image's STOPSIGNAL, which may be a number; undefined,
 * which means SIGTERM, if neither is set.
 */
export function stopSignalOf({ exec, options }: PlannedService): string | undefined {
  const { stopSignal = exec.root.config.stopSignal } = options
  return stopSignal === undefined ? undefined : signalName(signalNumber(stopSignal) ?? 0)
}

/** Says that the stop signal of a service's image is none, and what is sent in its place; undefined where that is not so. */
export function stopSignalNote({ exec, options }: PlannedService): string | undefined {
  const { ref, config } = exec.root
  if (options.stopSignal !== undefined || config.stopSignal === undefined) return undefined
  const problem = signalProblem(config.stopSignal)
  if (problem === undefined) return undefined
  const named = JSON.stringify(config.stopSignal.slice(0, 40))
  return `the image ${ref} asks to be stopped by ${named}, and ${problem}; SIGTERM is sent instead`
}

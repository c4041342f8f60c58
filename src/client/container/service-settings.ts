import { type Duration, milliseconds, type ServiceOptions } from '../../definition/index.ts'
import type { ContainerState } from './state.ts'

export interface ServiceSettings {
  /** Instead of the last withExec: a command on the container as it is now. */
  args?: readonly string[]
  useEntrypoint?: boolean
  /** Anything that makes this another service than one of equal definition. */
  instance?: string
  /** How long it runs on after its last client. @defaultValue the daemon's, 10 s */
  grace?: Duration
  /** One deadline from asking for it to healthy. @defaultValue 60 s */
  startTimeout?: Duration
  /** From the stop signal to SIGKILL. @defaultValue 10 s */
  stopTimeout?: Duration
}

/** What the daemon is told of a service besides its exec. @throws MoorageError INVALID_OPTION */
export function serviceOptionsOf(
  { ports, healthcheck, checks, stopSignal }: ContainerState,
  { grace, startTimeout, stopTimeout }: ServiceSettings,
): ServiceOptions {
  return {
    ...(ports.length > 0 ? { ports: [...ports] } : {}),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(checks.length > 0 ? { checks: [...checks] } : {}),
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(grace === undefined ? {} : { grace: milliseconds(grace, 'grace') }),
    ...(startTimeout === undefined ? {} : { startTimeout: milliseconds(startTimeout, 'startTimeout') }),
    ...(stopTimeout === undefined ? {} : { stopTimeout: milliseconds(stopTimeout, 'stopTimeout') }),
  }
}

import { type Duration, milliseconds, type ServiceOptions } from '../../definition/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { ContainerState } from './state.ts'

export interface ServiceSettings {
  /** A command to run on the container as it is now, instead of the last withExec. */
  args?: readonly string[]
  /** Put the image's entrypoint before `args`. */
  useEntrypoint?: boolean
  /** Any text; services of equal definition with different texts are different services. */
  instance?: string
  /** Time that the service runs on after its last client. @defaultValue the daemon's, 10 s */
  grace?: Duration
  /** The longest time from the request to a healthy service. @defaultValue 60 s */
  startTimeout?: Duration
  /** Time from the stop signal to SIGKILL. @defaultValue 10 s */
  stopTimeout?: Duration
}

/** The options that travel beside a service's exec. @throws MoorageError INVALID_OPTION */
export function serviceOptionsOf(
  { ports, healthcheck, checks, stopSignal }: ContainerState,
  { grace, startTimeout, stopTimeout }: ServiceSettings,
): ServiceOptions {
  return withoutUndefined({
    ports: ports.length > 0 ? [...ports] : undefined,
    healthcheck,
    checks: checks.length > 0 ? [...checks] : undefined,
    stopSignal,
    grace: optionalDuration('grace', grace),
    startTimeout: optionalDuration('startTimeout', startTimeout),
    stopTimeout: optionalDuration('stopTimeout', stopTimeout),
  })
}

function optionalDuration(option: string, duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : milliseconds(duration, option)
}

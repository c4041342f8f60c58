import type { MoorageError } from '../../errors/index.ts'
import { withoutUndefined } from '../../without-undefined.ts'
import type { ServiceDriver } from '../driver.ts'
import type { Holder } from '../holder.ts'
import type { Because, ServiceNews } from '../news.ts'
import type { ScopedKey } from '../scoped-key.ts'
import type { ServiceSnapshot, StateName } from '../snapshot.ts'
import type { Demand } from './demand.ts'
import type { Run } from './run.ts'
import type { StateMachine } from './state-machine.ts'

/** The parts of a service's life that a snapshot shows. */
export interface LifeParts {
  key: ScopedKey
  driver: ServiceDriver
  machine: StateMachine
  demand: Demand
  run: Run | undefined
  /** The reason why a signal could not be sent, the last one. */
  signalError: MoorageError | undefined
}

export function takeSnapshot({ key, driver, machine, demand, run, signalError }: LifeParts): ServiceSnapshot {
  const { state, since, hasEnded } = machine
  const error = state.name === 'failed' ? state.error : state.name === 'stopping' ? signalError : undefined
  return {
    key,
    label: driver.label,
    hostname: driver.hostname,
    describe: driver.describe,
    state: state.name,
    since,
    startedAt: run?.startedAt ?? null,
    stopsAt: state.name === 'grace' ? state.grace.stopsAt : null,
    holders: demand.all,
    aliases: demand.aliases,
    address: (hasEnded ? undefined : run?.process?.address) ?? null,
    health: hasEnded || state.name === 'stopping' ? 'none' : (run?.health?.text ?? 'starting'),
    checks: run?.health?.snapshot() ?? [],
    exitCode: run?.exit?.code ?? null,
    error: error ?? null,
  }
}

/** Makes the news that a service has come into the state that its snapshot shows. */
export function stateNews(
  { state, address, stopsAt, exitCode, error }: ServiceSnapshot,
  { from, because, by }: { from: StateName; because: Because; by: Holder | undefined },
): ServiceNews {
  return {
    kind: 'state',
    from,
    to: state,
    because,
    ...withoutUndefined({
      by,
      stopsAt: stopsAt ?? undefined,
      address: address ?? undefined,
      exitCode: exitCode ?? undefined,
      error: error?.message,
    }),
  }
}

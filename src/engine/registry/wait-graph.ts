import {
  type ContainerHolder,
  circleThrough,
  isContainer,
  type Locks,
  type ScopedKey,
  type ServiceSnapshot,
  scopedKey,
} from '../../lifecycle/index.ts'
import type { PlannedExec } from '../plan/planned.ts'

/** Somebody who waits, or is waited for: a container, or what is made of containers' results. */
export interface Waiter {
  readonly kind: ContainerHolder['kind'] | 'layer' | 'output'
  readonly key: ScopedKey
  readonly label: string
}

/**
 * Returns the run of an exec as a holder of services and volumes. One without bindings is shared by all networks.
 *
 * @param own - names a run that belongs to one caller alone: it is another holder than other runs of the same exec
 */
export function runHolder({ label, bindings }: PlannedExec, network: string, own?: string): ContainerHolder {
  const subject = own === undefined ? label : `${label} ${own}`
  return { kind: 'run', key: scopedKey(bindings.length > 0 ? network : '*', subject), label }
}

/** Returns the service of an exec as a holder of services and volumes. */
export function serviceHolder({ label }: PlannedExec, network: string): ContainerHolder {
  return { kind: 'service', key: scopedKey(network, label), label }
}

export function layerWaiter(digest: string, network: string): Waiter {
  const label = digest.slice(7, 19)
  return { kind: 'layer', key: scopedKey(network, label), label }
}

/** Returns the waiter of an output. Nobody waits for outputs, so all of a network share one. */
export function outputWaiter(network: string): Waiter {
  return { kind: 'output', key: scopedKey(network, ''), label: '' }
}

/** Returns the same id for equal waiters. */
export function waiterId({ kind, key }: Waiter): string {
  return `${kind} ${key}`
}

/** Formats a waiter for people: `run <label>`. */
export function waiterText({ kind, label }: Waiter): string {
  return `${kind} ${label}`
}

/** Notes which waiters wait for which runs and layers: those that make what they stand on. */
export class WaitGraph {
  /** By the waiter's id: those that it waits for, each with the number of waits. */
  readonly #waits = new Map<string, Map<string, { other: Waiter; count: number }>>()

  /** Notes a wait, until it is disposed of. */
  add(waiter: Waiter, other: Waiter): Disposable {
    const id = waiterId(waiter)
    const others = this.#waits.get(id) ?? new Map<string, { other: Waiter; count: number }>()
    this.#waits.set(id, others)
    const wait = others.get(waiterId(other)) ?? { other, count: 0 }
    others.set(waiterId(other), wait)
    wait.count += 1
    return {
      [Symbol.dispose]: () => {
        wait.count -= 1
        if (wait.count === 0) others.delete(waiterId(other))
        if (others.size === 0) this.#waits.delete(id)
      },
    }
  }

  of(waiter: Waiter): Waiter[] {
    return [...(this.#waits.get(waiterId(waiter))?.values() ?? [])].map(({ other }) => other)
  }
}

/** A moment that others wait for: the end of a waiter, or the moment when a service is healthy. */
interface Moment {
  readonly what: 'end' | 'ready'
  readonly of: Waiter
}

/**
 * Finds the circle of waits that a waiter for a volume would close, if there is one: the texts of the waiters, in
 * order.
 *
 * A service ends when all of its holders have ended; a waiter for a volume waits for the end of the one that holds
 * it; a container that starts waits for its services to be ready. Sessions and pins may always end, so they are in
 * no circle.
 */
export function findDeadlock(
  waiter: Waiter,
  {
    services,
    locks,
    waits,
  }: { services: readonly ServiceSnapshot[]; locks: Locks<Waiter>; waits: WaitGraph },
): string[] | undefined {
  const live = services.filter(({ state }) => state !== 'stopped' && state !== 'failed')
  /** By the id of the service. */
  const holders = new Map<string, Waiter[]>()
  /** By the id of the holder: its services that are not ready. */
  const starting = new Map<string, Waiter[]>()
  for (const { key, label, holders: all, state } of live) {
    const service: Waiter = { kind: 'service', key, label }
    const containers = all.filter(isContainer)
    holders.set(waiterId(service), containers)
    if (state === 'ready' || state === 'grace') continue
    for (const holder of containers) {
      const id = waiterId(holder)
      starting.set(id, [...(starting.get(id) ?? []), service])
    }
  }
  const next = ({ what, of }: Moment): Moment[] => {
    const held = what === 'end' ? (holders.get(waiterId(of)) ?? []) : []
    return [
      ...locks.blockersOf(of).map(endOf),
      ...(starting.get(waiterId(of)) ?? []).map((service): Moment => ({ what: 'ready', of: service })),
      ...waits.of(of).map(endOf),
      ...held.map(endOf),
    ]
  }
  const start: Moment = { what: waiter.kind === 'service' ? 'ready' : 'end', of: waiter }
  const circle = circleThrough(start, next, ({ what, of }) => `${what} ${waiterId(of)}`)
  return circle?.map(({ of }) => waiterText(of)).filter((text, index, all) => text !== all[index - 1])
}

function endOf(waiter: Waiter): Moment {
  return { what: 'end', of: waiter }
}

import { circleThrough, type Locks, type ServiceSnapshot } from '../../lifecycle/index.ts'
import type { PlannedExec } from '../plan/planned.ts'

/**
 * Who waits for what. An owner of volumes is `network/run LABEL` or `network/service LABEL`; `end OWNER` is its end,
 * and `ready OWNER` the moment when a service is healthy.
 */

/** The owner that a run is. One without bindings is shared by all networks. */
export function runOwner({ label, bindings }: PlannedExec, network: string): string {
  return `${bindings.length > 0 ? network : '*'}/run ${label}`
}

/** Which runs wait for which others: those that make the filesystem they stand on. */
export class WaitGraph {
  readonly #runs = new Map<string, Map<string, number>>()

  /** Until it is disposed of. */
  add(owner: string, other: string): Disposable {
    const others = this.#runs.get(owner) ?? new Map<string, number>()
    this.#runs.set(owner, others)
    others.set(other, (others.get(other) ?? 0) + 1)
    return {
      [Symbol.dispose]: () => {
        const left = (others.get(other) ?? 1) - 1
        if (left > 0) others.set(other, left)
        else others.delete(other)
        if (others.size === 0) this.#runs.delete(owner)
      },
    }
  }

  of(owner: string): string[] {
    return [...(this.#runs.get(owner)?.keys() ?? [])]
  }
}

/**
 * The circle of waits in which an owner that waits for a volume would be, if there is one: the owners, in order.
 *
 * A service ends when all who hold it have ended; who waits for a volume waits for its holder's end; who starts waits for
 * its services to be ready. Sessions and pins may always end, so they are in no circle.
 */
export function findDeadlock(
  owner: string,
  { services, locks, waits }: { services: readonly ServiceSnapshot[]; locks: Locks; waits: WaitGraph },
): string[] | undefined {
  const live = services.filter(({ state }) => state !== 'stopped' && state !== 'failed')
  const holders = new Map<string, string[]>()
  const starting = new Map<string, string[]>()
  for (const { key, label, holders: names, state } of live) {
    const network = key.slice(0, key.length - label.length - 1)
    const service = `${network}/service ${label}`
    const owners = names.filter((name) => /^(run|service) /.test(name)).map((name) => `${network}/${name}`)
    holders.set(service, owners)
    if (state === 'ready' || state === 'grace') continue
    for (const one of owners) starting.set(one, [...(starting.get(one) ?? []), service])
  }
  const next = (node: string): string[] => {
    const [what, of] = [node.slice(0, node.indexOf(' ')), node.slice(node.indexOf(' ') + 1)]
    const before = [
      ...locks.blockersOf(of).map((blocker) => `end ${blocker}`),
      ...(starting.get(of) ?? []).map((service) => `ready ${service}`),
      ...waits.of(of).map((run) => `end ${run}`),
    ]
    const held = what === 'end' ? (holders.get(of) ?? []).map((holder) => `end ${holder}`) : []
    return [...before, ...held]
  }
  const isService = /\/service [^/]+$/.test(owner)
  const circle = circleThrough(`${isService ? 'ready' : 'end'} ${owner}`, next)
  return circle
    ?.map((node) => node.slice(node.indexOf('/') + 1))
    .filter((name, index, all) => name !== all[index - 1])
}
